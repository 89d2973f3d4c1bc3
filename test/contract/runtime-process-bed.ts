/** State directories and worker programs for tests of the process runtime, and a look at /proc. */

import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../shared/clock.ts";
import {
  type ProcessRuntimeOptions,
  processRuntime,
} from "../../sidecar/control-plane/runtime/process/runtime.ts";
import type { Runtime } from "../../sidecar/control-plane/runtime/runtime.ts";
import { until } from "../bed/condition.ts";
import { reapDirectory } from "../bed/reaper.ts";
import { silentLog, value } from "./runtime-subject.ts";

/** It ends by itself after five minutes, should the test process be killed. */
const WORKER = `
case $ACT in
  run) exec sleep 300 ;;
  ignore-term) trap '' TERM; for i in $(seq 600); do sleep 0.5; done ;;
  exit-*) exit "\${ACT#exit-}" ;;
  wait-for-file) for i in $(seq 6000); do [ -e "$HOME/release-$CLIENT_ID" ] && exit 5; sleep 0.05; done ;;
  grandchild) sleep 300 & exit 4 ;;
  print) for i in $(seq 300); do echo "line $i of $CLIENT_ID"; sleep 0.02; done ;;
esac`;

/** A directory for the state, with the worker program in it; workers carry it as HOME. */
export async function makeStateDir(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "outrider-process-"));
  reapDirectory(directory);
  await writeFile(join(directory, "worker.sh"), WORKER);
  return directory;
}

export const optionsFor = (directory: string): ProcessRuntimeOptions => ({
  stateDir: directory,
  command: ["/bin/sh", join(directory, "worker.sh")],
  hostname: "host-a",
  environment: { PATH: "/usr/bin:/bin", HOME: directory, SASL_PASSWORD: "not for workers" },
  log: silentLog,
  clock: systemClock,
  graceMs: 700,
});

export const openRuntime = (
  directory: string,
  options: Partial<ProcessRuntimeOptions> = {},
): Runtime => value(processRuntime({ ...optionsFor(directory), ...options }));

/** Undefined when there is no such process or it is a zombie. */
export function variablesOf(pid: number): Readonly<Record<string, string>> | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, "utf8");
    if (text === "") return undefined;
    return Object.fromEntries(
      text.split("\0").map((entry) => [entry.split("=", 1)[0], entry.replace(/^[^=]*=/u, "")]),
    );
  } catch {
    return undefined;
  }
}

/** All that runs with this HOME: the workers of a state directory and what they started. */
export function processesOf(
  directory: string,
): readonly { readonly pid: number; readonly variables: Readonly<Record<string, string>> }[] {
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    const variables = Number.isSafeInteger(pid) ? variablesOf(pid) : undefined;
    return variables?.["HOME"] === directory ? [{ pid, variables }] : [];
  });
}

/** In the middle of an exec a process shows an empty environment: it is waited for. */
export const untilProcesses = (
  directory: string,
  count: number,
): Promise<ReturnType<typeof processesOf>> =>
  until(
    `${count} processes`,
    () => {
      const running = processesOf(directory);
      return running.length === count && running;
    },
    { deadlineMs: 5_000 },
  );

export async function killAll(directory: string): Promise<void> {
  await until(
    "every process of the test is gone",
    () => {
      const left = processesOf(directory);
      for (const { pid } of left) signalPid(pid, "SIGKILL");
      return left.length === 0;
    },
    { deadlineMs: 10_000, intervalMs: 20 },
  );
}

export function signalPid(pid: number, name: "SIGKILL" | "SIGSTOP"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}
