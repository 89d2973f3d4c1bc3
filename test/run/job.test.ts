import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { type Outcome, runJob } from "./job.ts";
import { processesIn } from "./leftover.ts";

const SOON = { deadlineMs: 10_000 };

/** Test files as people write them, by name. */
const FILES = {
  good: 'test("a", () => {}); test("b", () => {});',
  failing: 'test("a", () => {}); test("b", () => { expect(1).toBe(2); });',
  skipping:
    'process.stderr.write("SKIPPED it: no kcat\\n"); test("a", () => {}); test.skip("b", () => {});',
  crashing: 'throw new Error("at once");',
  leaving: 'test("a", () => { process.exit(0); });',
  slow: 'test("a", () => Bun.sleep(2000));',
  empty: "",
  between:
    'test("a", () => {}); setTimeout(() => { throw new Error("late"); }, 1);\nafterAll(() => Bun.sleep(50));',
  unavailable:
    'class BedUnavailable extends Error { name = "BedUnavailable"; }\nbeforeAll(() => { throw new BedUnavailable("install java"); }); test("a", () => {});',
  unready:
    'class BedUnavailable extends Error { name = "BedUnavailable"; }\nbeforeAll(() => { throw new BedUnavailable("install java"); }); afterAll(() => { throw new TypeError("undefined"); }); test("a", () => {});',
  endless: 'test("a", () => new Promise(() => {}), 60_000);',
  // Its environment shows to which job a process belongs, and is there only at the end of its exec.
  littering:
    'test("a", async () => { const left = Bun.spawn(["/bin/sleep", "300"], { detached: true, stdin: "ignore", stdout: "ignore", stderr: "ignore" }); left.unref(); while ((await Bun.file("/proc/" + left.pid + "/environ").text()) === "") {} });',
} as const;

let root = "";
let numbers = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "outrider-run-"));
  await mkdir(join(root, "run"));
  const head = 'import { afterAll, beforeAll, expect, test } from "bun:test";\n';
  for (const [name, code] of Object.entries(FILES)) {
    await writeFile(join(root, `${name}.test.ts`), head + code);
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function outcomeOf(name: keyof typeof FILES, ci = false): Promise<Outcome> {
  numbers += 1;
  return await outcomeOfJob(numbers, name, ci);
}

async function outcomeOfJob(number: number, name: keyof typeof FILES, ci = false) {
  return await runJob(
    {
      kind: "tests",
      suite: "system",
      name,
      paths: [`${name}.test.ts`],
      limitMs: name === "endless" ? 300 : 30_000,
    },
    number,
    {
      root,
      directory: join(root, "run"),
      environment: { PATH: "/usr/bin:/bin" },
      seed: 7,
      ci,
      reapMs: 500,
      onStart: () => undefined,
    },
  );
}

describe("runJob()", () => {
  test.each([
    ["good", false, 2, 0, 0],
    ["failing", false, 1, 1, 0],
    ["skipping", false, 1, 0, 1],
    ["skipping", true, 1, 1, 0],
    ["crashing", false, 0, 1, 0],
    ["leaving", false, 0, 1, 0],
    ["empty", false, 0, 1, 0],
    ["unavailable", false, 0, 0, 1],
    ["unavailable", true, 0, 1, 0],
    ["unready", false, 0, 0, 2],
    ["endless", false, 0, 1, 0],
  ] as const)("counts a file that is %s, in CI %p", async (name, ci, passed, failed, skipped) => {
    expect(await outcomeOf(name, ci)).toMatchObject({ passed, failed, skipped });
  });
  test("says why something was skipped", async () => {
    expect((await outcomeOf("skipping")).notes).toEqual(["SKIPPED it: no kcat"]);
    expect((await outcomeOf("unavailable")).notes).toEqual(["SKIPPED: install java"]);
  });
  test("ends nothing of another job whose number begins with its own", async () => {
    const both = await Promise.all([outcomeOfJob(1000, "slow"), outcomeOfJob(100, "good")]);
    expect(both).toMatchObject([
      { passed: 1, failed: 0 },
      { passed: 2, failed: 0 },
    ]);
  }, 20_000);
  test("fails a file that fails between two tests", async () => {
    expect((await outcomeOf("between")).failed).toBeGreaterThan(0);
  });
  test("fails a file that leaves a process running, and ends the process", async () => {
    const { failed, notes } = await outcomeOf("littering");
    expect(failed).toBe(1);
    expect(notes).toEqual([
      expect.stringMatching(/^left running, ended by us: \d+ \/bin\/sleep 300$/u),
    ]);
    // It was killed; a busy machine takes a moment to be rid of it.
    await until("it to be gone", () => processesIn(join(root, "run")).length === 0, SOON);
  }, 20_000);
});
