import { expect, test } from "bun:test";
import { cpuTicks, idleText, parseTicks } from "./machine.ts";

const STAT = `cpu  100 10 50 700 40 5 5 90 30 1
cpu0 50 5 25 350 20 2 2 45 15 0
ctxt 12
`;

test("parseTicks() counts waiting for a disk as idle, stolen time as busy, and no guest twice", () => {
  expect(parseTicks(STAT)).toEqual({ idle: 740, all: 1000 });
});

test("idleText() gives the idle share between two readings", () => {
  const before = { idle: 740, all: 1000 };
  expect(idleText(before, { idle: 790, all: 1200 }, 2)).toBe("2 CPUs, 25 % idle");
  expect(idleText(before, before, 2)).toBe("2 CPUs, 0 % idle");
});

test("cpuTicks() reads this machine's own", async () => {
  const before = await cpuTicks();
  await Bun.sleep(50);
  const after = await cpuTicks();
  expect(after.all).toBeGreaterThan(before.all);
  expect(after.idle).toBeGreaterThanOrEqual(before.idle);
});
