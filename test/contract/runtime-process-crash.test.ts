/** The process runtime, killed at random moments while it starts workers. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "../../sidecar/control-plane/runtime/runtime.ts";
import { until } from "../bed/condition.ts";
import {
  killAll,
  makeStateDir,
  openRuntime,
  processesOf,
  untilProcesses,
} from "./runtime-process-bed.ts";
import { listOf, specOf } from "./runtime-subject.ts";

const KILLS = 20;
const WORKERS_PER_ROUND = 60;
/** A round starts all its workers at once, which takes about this long. */
const LIFE_MS_MAX = 100;
const STARTER = join(import.meta.dir, "runtime-process-starter.ts");

test("Runtime of process, killed at 20 random moments, leaves one known process per name", async () => {
  const directory = await makeStateDir();
  mkdirSync(join(directory, "workers"));
  try {
    for (let round = 0; round < KILLS; round += 1) {
      await startUntilKilled(directory, round * WORKERS_PER_ROUND);
      await expectOneProcessPerName(directory, openRuntime(directory));
    }
    expect(processesOf(directory)).not.toEqual([]);
    await startTheRest(directory);
  } finally {
    await killAll(directory);
    await rm(directory, { recursive: true, force: true });
  }
}, 120_000);

async function startUntilKilled(directory: string, first: number): Promise<void> {
  const command = [process.execPath, STARTER, directory, String(first), String(WORKERS_PER_ROUND)];
  const starter = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  const held = () => readdirSync(join(directory, "workers")).length;
  const before = held();
  await until("it starts workers", () => held() > before, { deadlineMs: 10_000, intervalMs: 1 });
  await Bun.sleep(Math.random() * LIFE_MS_MAX);
  starter.kill("SIGKILL");
  await starter.exited;
}

async function expectOneProcessPerName(directory: string, runtime: Runtime): Promise<void> {
  await until(
    "no worker is starting",
    async () => (await listOf(runtime)).workers.every((each) => each.state !== "starting"),
    { deadlineMs: 5000, intervalMs: 10 },
  );
  const { workers, foreign } = await listOf(runtime);
  const listed = workers.filter((each) => each.state === "running");
  expect(listed).toHaveLength(workers.length);
  expect(foreign).toEqual([]);
  const running = await untilProcesses(directory, listed.length);
  expect(running.map((each) => each.variables["OUTRIDER_INSTANCE"]).toSorted()).toEqual(
    listed.map((each) => each.instance).toSorted(),
  );
  const ids = running.map((each) => each.variables["CLIENT_ID"]);
  expect(ids).toHaveLength(new Set(ids).size);
}

/** Whatever the kills left, each name can be started, and none twice. */
async function startTheRest(directory: string): Promise<void> {
  const runtime = openRuntime(directory);
  const { signal } = new AbortController();
  const names = Array.from({ length: KILLS * WORKERS_PER_ROUND }, (_, i) => `w-${i}`);
  const some = names.filter((_, i) => i % 4 === 0);
  const running = new Set(processesOf(directory).map((each) => each.variables["CLIENT_ID"]));
  const started = await Promise.all(some.map((id) => runtime.start(specOf(id), signal)));
  for (const [i, result] of started.entries()) {
    expect(result.ok ? "ok" : result.error.code).toBe(
      running.has(some[i] ?? "") ? "name-taken" : "ok",
    );
  }
  await expectOneProcessPerName(directory, runtime);
}
