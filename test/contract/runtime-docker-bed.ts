/** Runtimes on the bed's engine, and a look into their containers. */

import { readFileSync } from "node:fs";
import { systemClock } from "../../shared/clock.ts";
import { openLog } from "../../shared/log.ts";
import type { ContainerSettings } from "../../sidecar/control-plane/runtime/docker/container.ts";
import {
  type DockerRuntimeOptions,
  dockerRuntime,
} from "../../sidecar/control-plane/runtime/docker/runtime.ts";
import type { Runtime } from "../../sidecar/control-plane/runtime/runtime.ts";
import type { DockerBed } from "../bed/docker/docker.ts";
import { WORKER_IMAGE } from "../bed/docker/image.ts";
import { clockOf } from "../clock.ts";
import { signal, value } from "./runtime-subject.ts";

export const MEMORY_BYTES = 48 * 1024 * 1024;

export type Said = { readonly lines: readonly string[]; readonly log: DockerRuntimeOptions["log"] };

export function sayingLog(): Said {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return {
    lines,
    log: openLog({ level: "info", format: "json", write, clock: clockOf({ nowMs: () => 0 }) }),
  };
}

export const settingsFor = (
  docker: DockerBed,
  more: Partial<ContainerSettings> = {},
): ContainerSettings => ({
  image: WORKER_IMAGE,
  network: docker.network.name,
  memoryBytes: MEMORY_BYTES,
  cpuMillis: 500,
  secrets: "env",
  isPublic: () => false,
  ...more,
});

export const optionsFor = (
  docker: DockerBed,
  more: Partial<ContainerSettings> = {},
): DockerRuntimeOptions => ({
  address: { kind: "unix", path: docker.engine.socket, shown: docker.host },
  settings: settingsFor(docker, more),
  takeOver: false,
  log: sayingLog().log,
  clock: systemClock,
  signal,
  graceSeconds: 1,
  confirmMs: 1000,
});

export const openDocker = async (
  docker: DockerBed,
  options: Partial<DockerRuntimeOptions> = {},
): Promise<Runtime> => value(await dockerRuntime({ ...optionsFor(docker), ...options }));

/** Of the program below the container's init; undefined when there is none. */
export async function workerPid(docker: DockerBed, id: string): Promise<number | undefined> {
  const { State } = await docker.client.getContainer(id).inspect();
  if (State.Pid === 0) return undefined;
  const children = readFileSync(`/proc/${State.Pid}/task/${State.Pid}/children`, "utf8");
  return Number(children.split(" ")[0]) || undefined;
}

export function variablesOf(pid: number): Readonly<Record<string, string>> {
  const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
  return Object.fromEntries(
    entries.map((entry) => [entry.split("=", 1)[0], entry.replace(/^[^=]*=/u, "")]),
  );
}
