/** Name files whose process is not known, or is not the one they name any more. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Result } from "../../../../../shared/result.ts";
import type { RuntimeError } from "../../../../../sidecar/control-plane/runtime/runtime.ts";
import { until } from "../../../../bed/condition.ts";
import {
  killAll,
  makeStateDir,
  openRuntime,
  processesOf,
  untilProcesses,
  variablesOf,
} from "../../../../contract/runtime-process-bed.ts";
import { listOf, specOf, value } from "../../../../contract/runtime-subject.ts";

const { signal } = new AbortController();
const TOKEN = "00112233445566778899aabbccddeeff";

let directory: string;
beforeEach(async () => {
  directory = await makeStateDir();
});
afterEach(async () => {
  await killAll(directory);
  await rm(directory, { recursive: true, force: true });
});

const nameOf = (id: string): string => `kg-graph-builder-${id}`;
const pathOf = (id: string): string => join(directory, "workers", `${nameOf(id)}.json`);
const errorOf = <T>(result: Result<T, RuntimeError>): RuntimeError | undefined =>
  result.ok ? undefined : result.error;

/** The first line of a name file: a start that got no further. */
function writeAhead(id: string, token = TOKEN): void {
  const { name, clientId, fleet, specHash } = specOf(id);
  const header = {
    kind: "outrider-worker",
    name,
    clientId,
    fleet,
    specHash,
    token,
    startedAtMs: 5,
  };
  writeFileSync(pathOf(id), JSON.stringify(header));
}

test("a worker that somebody stopped by a signal does not run, and goes on with SIGCONT", async () => {
  const runtime = openRuntime(directory);
  value(await runtime.start(specOf("af-1"), signal));
  const [{ pid } = { pid: -1 }] = await untilProcesses(directory, 1);
  process.kill(pid, "SIGSTOP");
  const untilListed = (state: string, held: string | undefined) =>
    until(
      `it to be ${state}`,
      async () => {
        const [worker] = (await listOf(runtime)).workers;
        return worker?.state === state && worker.held === held;
      },
      { deadlineMs: 5_000 },
    );
  await untilListed("starting", "paused by another");
  process.kill(pid, "SIGCONT");
  await untilListed("running", undefined);
});

describe("a name file of ours without content", () => {
  test.each([
    ["empty, as a full disk leaves it", ""],
    ["nothing but NUL, as a power cut leaves it", "\0".repeat(300)],
  ])("%s: the name is free, and nobody's", async (_name, text) => {
    const runtime = openRuntime(directory);
    writeFileSync(pathOf("af-1"), text);
    expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
    const worker = value(await runtime.start(specOf("af-1"), signal));
    expect((await listOf(runtime)).workers).toMatchObject([{ instance: worker.instance }]);
  });
  test("of a worker that lives: no second one beside it", async () => {
    const runtime = openRuntime(directory);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    await untilProcesses(directory, 1);
    writeFileSync(pathOf("af-1"), "");
    expect(errorOf(await runtime.start(specOf("af-1"), signal))?.code).toBe("name-taken");
    expect(errorOf(await runtime.stop(worker, signal))?.code).toBe("unavailable");
    expect(processesOf(directory).map(({ pid }) => pid)).toHaveLength(1);
  });
});

/**
 * A process as a start leaves it when its control plane is killed before it could write the pid. Resolves when
 * its environment can be read: the parent of an exec goes on before the kernel has put it there.
 */
async function spawnUnrecorded(program: readonly string[], variables: Record<string, string>) {
  const log = openSync(join(directory, "logs", `${nameOf("af-1")}.log`), "a");
  const env = { PATH: "/usr/bin:/bin", HOME: directory, ...variables };
  const child = Bun.spawn([...program], {
    detached: true,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    env,
  });
  await until("its environment", () => variablesOf(child.pid)?.["HOME"] === directory, {
    deadlineMs: 5_000,
  });
  return child;
}

describe("a name file without a pid", () => {
  test("is forgotten when no process carries its token", async () => {
    const runtime = openRuntime(directory);
    writeAhead("af-1");
    expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
    expect(existsSync(pathOf("af-1"))).toBe(false);
  });

  test("does not keep start() from its name when no process carries its token", async () => {
    const runtime = openRuntime(directory);
    writeAhead("af-1");
    value(await runtime.start(specOf("af-1"), signal));
    await untilProcesses(directory, 1);
  });

  test("is that of the process which carries its token; start() leaves it, stop() ends it", async () => {
    const runtime = openRuntime(directory);
    writeAhead("af-1");
    const child = await spawnUnrecorded(["/bin/sleep", "300"], { OUTRIDER_INSTANCE: TOKEN });
    expect(errorOf(await runtime.start(specOf("af-1"), signal))?.code).toBe("name-taken");
    const [worker] = (await listOf(runtime)).workers;
    expect(worker).toMatchObject({ state: "running", instance: TOKEN, startedAtMs: 5 });
    expect(readFileSync(pathOf("af-1"), "utf8")).toContain(`"pid":${child.pid},`);
    if (worker !== undefined) value(await runtime.stop(worker, signal));
    await child.exited;
    expect(child.signalCode).toBe("SIGTERM");
  });

  test("is starting while a process without any token may write to its log", async () => {
    const runtime = openRuntime(directory);
    writeAhead("af-1");
    const child = await spawnUnrecorded(["/bin/sleep", "300"], {});
    expect((await listOf(runtime)).workers).toMatchObject([{ state: "starting" }]);
    expect(errorOf(await runtime.start(specOf("af-1"), signal))?.code).toBe("name-taken");
    child.kill("SIGKILL");
    await child.exited;
    expect((await listOf(runtime)).workers).toEqual([]);
  });

  test("is starting while another control plane holds the lock", async () => {
    const runtime = openRuntime(directory);
    writeAhead("af-1");
    const other = new Database(join(directory, "lock"));
    other.run("BEGIN EXCLUSIVE");
    expect((await listOf(runtime)).workers).toMatchObject([{ state: "starting" }]);
    const error = errorOf(await runtime.start(specOf("af-2"), AbortSignal.timeout(50)));
    expect(error).toMatchObject({ code: "unavailable", retry: "transient" });
    other.close();
    expect((await listOf(runtime)).workers).toEqual([]);
  });
});

describe("a name file whose process is another now", () => {
  test("by its start time is an exited worker, and stop() signals nobody", async () => {
    const runtime = openRuntime(directory);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    const text = readFileSync(pathOf("af-1"), "utf8");
    writeFileSync(pathOf("af-1"), text.replace(/"startTicks":\d+/u, '"startTicks":77'));
    const next = openRuntime(directory);
    expect((await listOf(next)).workers).toMatchObject([{ state: "exited", exit: "unknown" }]);
    value(await next.stop(worker, signal));
    await untilProcesses(directory, 1);
    expect((await listOf(next)).workers).toEqual([]);
  });

  test("by its boot is an exited worker, and stop() signals nobody", async () => {
    const runtime = openRuntime(directory);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    const text = readFileSync(pathOf("af-1"), "utf8");
    writeFileSync(pathOf("af-1"), text.replace(/"bootId":"[^"]*"/u, '"bootId":"before"'));
    const next = openRuntime(directory);
    expect((await listOf(next)).workers).toMatchObject([{ state: "exited", exit: "unknown" }]);
    value(await next.stop(worker, signal));
    await untilProcesses(directory, 1);
  });
});
