import { expect, test } from "bun:test";
import { join } from "node:path";
import { costName, readCosts } from "./costs.ts";
import { allJobs } from "./suite.ts";

test("readCosts() tells of jobs that there are, and of most of them", async () => {
  const names = allJobs(join(import.meta.dir, "../..")).map(costName);
  const known = [...(await readCosts()).keys()];
  expect(known.filter((name) => !names.includes(name))).toEqual([]);
  expect(known.length).toBeGreaterThan(60);
});
