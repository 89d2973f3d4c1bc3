/**
 * `bun run bench docker`: how long starts take on a real Docker Engine: of 100 workers one after the other,
 * and of 100 at once, 32 at a time as in the control plane; and a listing of them. Each start waits to see
 * that its worker does not end at once; that time is included, and also printed separately.
 */
import { systemClock } from "../shared/clock.ts";
import { openLog } from "../shared/log.ts";
import type { Result } from "../shared/result.ts";
import { dockerRuntime } from "../sidecar/control-plane/runtime/docker/runtime.ts";
import type { Runtime, Worker } from "../sidecar/control-plane/runtime/runtime.ts";
import { boxCommand } from "../test/bed/box/box.ts";
import { type DockerBed, startDocker } from "../test/bed/docker/docker.ts";
import { WORKER_IMAGE } from "../test/bed/docker/image.ts";
import { signal, specOf } from "../test/contract/runtime-subject.ts";
import { figure, quantile } from "./figure.ts";

const WORKERS = 100;
const AT_ONCE = 32;
const CONFIRM_MS = 500;

function value<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

async function open(docker: DockerBed): Promise<Runtime> {
  return value(
    await dockerRuntime({
      address: { kind: "unix", path: docker.engine.socket, shown: docker.host },
      settings: {
        image: WORKER_IMAGE,
        network: docker.network.name,
        memoryBytes: 64 * 1024 * 1024,
        cpuMillis: 500,
        secrets: "env",
        isPublic: () => false,
      },
      takeOver: false,
      log: openLog({ level: "error", format: "json", write: () => undefined, clock: systemClock }),
      clock: systemClock,
      signal,
      graceSeconds: 1,
      confirmMs: CONFIRM_MS,
    }),
  );
}

/** Milliseconds of each start, with this many at a time. */
async function starts(runtime: Runtime, prefix: string, atOnce: number) {
  const queue = Array.from({ length: WORKERS }, (_, index) => `${prefix}-${index}`);
  const ms: number[] = [];
  const workers: Worker[] = [];
  const work = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const beganMs = performance.now();
      workers.push(value(await runtime.start(specOf(id), signal)));
      ms.push(performance.now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { ms, workers };
}

function report(what: string, ms: readonly number[]): void {
  const base = { bench: "docker", unit: "ms" } as const;
  figure({ ...base, figure: `${what}, p50`, value: quantile(ms, 0.5) });
  figure({ ...base, figure: `${what}, maximum`, value: Math.max(...ms) });
}

async function measure(): Promise<void> {
  const docker = await startDocker();
  try {
    const runtime = await open(docker);
    figure({ bench: "docker", figure: "of each start, the wait", value: CONFIRM_MS, unit: "ms" });
    const single = await starts(runtime, "single", 1);
    report("start, one at a time", single.ms);
    const beganMs = performance.now();
    value(await runtime.list(signal));
    const tookMs = performance.now() - beganMs;
    figure({ bench: "docker", figure: "listing 100 that run", value: tookMs, unit: "ms" });
    await docker.clear();
    const beganAtMs = performance.now();
    const many = await starts(runtime, "many", AT_ONCE);
    report(`start, ${AT_ONCE} at a time`, many.ms);
    const allMs = performance.now() - beganAtMs;
    figure({ bench: "docker", figure: "100 starts in all", value: allMs, unit: "ms" });
    const stops: number[] = [];
    for (const worker of many.workers) {
      const stopMs = performance.now();
      value(await runtime.stop(worker, signal));
      stops.push(performance.now() - stopMs);
    }
    report("stop and removal, one at a time", stops);
  } finally {
    await docker.stop();
  }
}

/** An engine needs a box: outside of one it runs itself in one. */
async function main(): Promise<number> {
  if (Bun.env["OUTRIDER_BOX"] !== undefined) {
    await measure();
    return 0;
  }
  const command = [...boxCommand("network"), process.execPath, import.meta.path];
  return await Bun.spawn(command, { stdin: "ignore", stdout: "inherit", stderr: "inherit" }).exited;
}

process.exit(await main());
