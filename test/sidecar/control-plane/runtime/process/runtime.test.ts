import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readStat } from "../../../../../shared/linux/proc-stat.ts";
import type { Result } from "../../../../../shared/result.ts";
import { processRuntime } from "../../../../../sidecar/control-plane/runtime/process/runtime.ts";
import type { RuntimeError } from "../../../../../sidecar/control-plane/runtime/runtime.ts";
import { until } from "../../../../bed/condition.ts";
import {
  killAll,
  makeStateDir,
  openRuntime,
  optionsFor,
  processesOf,
  untilProcesses,
} from "../../../../contract/runtime-process-bed.ts";
import { listOf, specOf, value } from "../../../../contract/runtime-subject.ts";

const { signal } = new AbortController();
const patience = { deadlineMs: 10_000, intervalMs: 20 };

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

describe("processRuntime()", () => {
  test("is refused as PID 1 unless allowed", () => {
    const options = { ...optionsFor(directory), pid: 1 };
    expect(errorOf(processRuntime(options))?.detail).toContain("PID 1");
    expect(processRuntime({ ...options, pid1Allowed: true }).ok).toBe(true);
  });

  test("is unavailable with path and errno when the state directory cannot be made", async () => {
    await writeFile(join(directory, "file"), "");
    const stateDir = join(directory, "file", "state");
    const error = errorOf(processRuntime({ ...optionsFor(directory), stateDir }));
    expect(error).toMatchObject({ code: "unavailable" });
    expect(error?.detail).toContain(`${stateDir} failed: ENOTDIR`);
  });

  test("has host and absolute directory as its scope", () => {
    expect(openRuntime(directory).scope).toBe(`process:host-a:${directory}`);
  });
});

describe("start()", () => {
  const commands = [
    [["/nowhere/program"], "invalid-spec", "/nowhere/program cannot be executed: ENOENT"],
    [["no-such-program"], "invalid-spec", "no-such-program cannot be executed: ENOENT"],
    [["/etc/hostname"], "invalid-spec", "/etc/hostname cannot be executed: E"],
    [["/tmp"], "invalid-spec", "/tmp cannot be executed: EACCES"],
  ] as const;
  test.each(commands)("of %p is %s and frees the name", async (command, code, detail) => {
    const runtime = openRuntime(directory, { command });
    const error = errorOf(await runtime.start(specOf("af-1"), signal));
    expect(error?.code).toBe(code);
    expect(error?.detail).toContain(detail);
    expect(error?.detail).toContain("WORKER_COMMAND");
    expect(existsSync(pathOf("af-1"))).toBe(false);
    expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
  });

  test("refuses a name that is no file name and a variable with NUL", async () => {
    const runtime = openRuntime(directory);
    const spec = specOf("af-1");
    const wrong = [
      { ...spec, name: "../../etc/cron" },
      { ...spec, environment: { A: "a\0b" } },
      { ...spec, environment: { "A=B": "c" } },
      { ...spec, environment: { A: "x".repeat(3_000_000) } },
    ];
    for (const each of wrong) {
      expect(errorOf(await runtime.start(each, signal))?.code).toBe("invalid-spec");
    }
    expect(processesOf(directory)).toEqual([]);
  });

  test("writes no value of the environment to the state directory", async () => {
    const spec = specOf("af-1");
    value(await openRuntime(directory).start(spec, signal));
    for (const secret of Object.values(spec.secrets))
      expect(readFileSync(pathOf("af-1"), "utf8")).not.toContain(secret);
  });

  test("gives the worker a session of its own and appends its output to its log", async () => {
    value(await openRuntime(directory).start(specOf("af-1", "print"), signal));
    // One that ended since it was listed has no stat.
    const leads = ({ pid }: { readonly pid: number }) => {
      const stat = readStat(pid);
      return stat?.group === pid && stat.session === pid;
    };
    await until("its session", () => processesOf(directory).some(leads), patience);
    const log = join(directory, "logs", `${nameOf("af-1")}.log`);
    await until(
      "the log has a line",
      () => readFileSync(log, "utf8").includes("of af-1"),
      patience,
    );
  });

  test("is unavailable when the log cannot be opened, and frees the name", async () => {
    const runtime = openRuntime(directory);
    await mkdir(join(directory, "logs", `${nameOf("af-1")}.log`));
    const error = errorOf(await runtime.start(specOf("af-1"), signal));
    expect(error).toMatchObject({ code: "unavailable", retry: "transient" });
    expect(error?.detail).toContain("EISDIR");
    expect(existsSync(pathOf("af-1"))).toBe(false);
  });

  test("is unavailable when the state directory is gone; list() is too", async () => {
    const runtime = openRuntime(directory);
    await rm(join(directory, "workers"), { recursive: true });
    expect(errorOf(await runtime.start(specOf("af-1"), signal))?.code).toBe("unavailable");
    expect(errorOf(await runtime.list(signal))?.detail).toContain("ENOENT");
    expect(processesOf(directory)).toEqual([]);
  });
});

describe("stop()", () => {
  test("ends what a worker that exited left in its group", async () => {
    const runtime = openRuntime(directory);
    await runtime.start(specOf("af-1", "grandchild"), signal);
    await untilProcesses(directory, 1);
    const next = openRuntime(directory);
    const worker = await until(
      "it to have exited",
      async () => (await listOf(next)).workers.find(({ state }) => state === "exited"),
      patience,
    );
    expect(worker.exit).toBe(4);
    value(await next.stop(worker, signal));
    expect(processesOf(directory)).toEqual([]);
  });

  test("is not-found when the name file is gone", async () => {
    const runtime = openRuntime(directory);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    await rm(pathOf("af-1"));
    expect(errorOf(await runtime.stop(worker, signal))?.code).toBe("not-found");
  });
});

describe("list()", () => {
  test("shows what is no name file of ours as foreign, each with its reason", async () => {
    const runtime = openRuntime(directory);
    value(await runtime.start(specOf("af-1"), signal));
    const ours = readFileSync(pathOf("af-1"), "utf8");
    await writeFile(pathOf("empty"), "");
    await writeFile(pathOf("copied"), ours);
    await writeFile(pathOf("long"), "x".repeat(20_000));
    await mkdir(pathOf("directory"));
    Bun.spawnSync(["mkfifo", pathOf("pipe")]);
    Bun.spawnSync(["ln", "-s", pathOf("af-1"), pathOf("link")]);
    const { workers, foreign } = await listOf(runtime);
    expect(workers).toHaveLength(1);
    const ids = ["copied", "directory", "link", "long", "pipe"];
    expect(foreign.map((each) => each.name).toSorted()).toEqual(ids.map(nameOf));
    for (const id of ids) {
      expect(errorOf(await runtime.start(specOf(id), signal))?.code).toBe("name-taken");
    }
    expect(await listOf(runtime)).toEqual({ workers, foreign });
  });

  test("reads past a torn line: the pid counts, a torn pid does not", async () => {
    const runtime = openRuntime(directory);
    value(await runtime.start(specOf("af-1"), signal));
    const [header = "", line = ""] = readFileSync(pathOf("af-1"), "utf8").split("\n");
    writeFileSync(pathOf("af-1"), `${header}\n{"pid":1\n${line}\n{"ex`);
    expect((await listOf(openRuntime(directory))).workers).toMatchObject([{ state: "running" }]);
    writeFileSync(pathOf("af-1"), `${header}\n${line.slice(0, -5)}`);
    expect((await listOf(openRuntime(directory))).workers).toMatchObject([{ state: "running" }]);
  });

  test("knows an own worker's exit in memory when it could not be written, unknown afterwards", async () => {
    const runtime = openRuntime(directory);
    value(await runtime.start(specOf("af-1", "wait-for-file"), signal));
    const lines = readFileSync(pathOf("af-1"), "utf8");
    await writeFile(join(directory, "release-af-1"), "");
    await until("it exited", async () => (await listOf(runtime)).workers[0]?.exit === 5, patience);
    writeFileSync(pathOf("af-1"), lines);
    expect((await listOf(runtime)).workers).toMatchObject([{ state: "exited", exit: 5 }]);
    const next = openRuntime(directory);
    expect((await listOf(next)).workers).toMatchObject([{ state: "exited", exit: "unknown" }]);
  });

  test("rotates a log that has grown too long", async () => {
    const runtime = openRuntime(directory, { logBytesMax: 1000 });
    value(await runtime.start(specOf("af-1", "print"), signal));
    const log = join(directory, "logs", `${nameOf("af-1")}.log`);
    await until("the log is long", () => readFileSync(log, "utf8").length > 1000, patience);
    await listOf(openRuntime(directory, { logBytesMax: 1000 }));
    expect(readFileSync(`${log}.1`, "utf8")).toContain("of af-1\n");
    await until("it goes on", () => readFileSync(log, "utf8").startsWith("line "), patience);
    expect(readFileSync(log, "utf8").length).toBeLessThan(1000);
  });
});
