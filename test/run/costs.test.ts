import { expect, test } from "bun:test";
import { join } from "node:path";
import { costName, costsAfter, readCosts } from "./costs.ts";
import { allJobs, chosenJobs } from "./suite.ts";

const ROOT = join(import.meta.dir, "../..");

test("readCosts() tells of jobs that there are, and of most of them", async () => {
  const names = allJobs(ROOT).map(costName);
  const known = [...(await readCosts()).keys()];
  expect(known.filter((name) => !names.includes(name))).toEqual([]);
  expect(known.length).toBeGreaterThan(60);
});

test("costsAfter() takes over what whole jobs took, and nothing of a part of one", () => {
  const before = new Map([["unit unit", { seconds: 60, cpuSeconds: 90 }]]);
  const took = { passed: 1, failed: 0, seconds: 2, cpuSeconds: 3 };
  const after = (...names: readonly string[]) => {
    const jobs = chosenJobs(allJobs(ROOT), { names, matrix: false });
    const outcomes = jobs.map((job) => ({ job, ...took }));
    return [...costsAfter(before, outcomes)].map(([name, { seconds }]) => [name, seconds]);
  };
  expect(after("test/run/costs.test.ts")).toEqual([["unit unit", 60]]);
  expect(after("unit")).toEqual([["unit unit", 2]]);
  expect(after("test/system/operator.test.ts")).toEqual([
    ["unit unit", 60],
    ["system operator.test.ts", 2],
  ]);
});
