/** A port belongs to the process that got it, even while nothing listens there. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { freePort } from "./port.ts";
import { startProcess, stopAll } from "./process.ts";

const THEIRS = 200;
/** Out of 14,000: without claims some of theirs would certainly be among ours. */
const OURS = 3000;

afterAll(stopAll);

test("no two processes that live are given the same port", async () => {
  const script = `
    const { freePort } = await import(${JSON.stringify(join(import.meta.dir, "port.ts"))});
    const ports = [];
    while (ports.length < ${THEIRS}) ports.push(await freePort());
    console.log("PORTS " + JSON.stringify(ports) + " END");
    setInterval(() => undefined, 1000);`;
  const other = startProcess({
    name: "other",
    command: [process.execPath, "-e", script],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
  });
  const [, line = ""] = await other.waitForOutput(/PORTS (.*) END/, 30_000);
  const theirs = new Set<number>(JSON.parse(line));
  expect(theirs.size).toBe(THEIRS);
  const ours = new Set<number>();
  for (let count = 0; count < OURS; count += 1) ours.add(await freePort());
  expect(ours.size).toBe(OURS);
  expect([...ours].filter((port) => theirs.has(port))).toEqual([]);
}, 60_000);
