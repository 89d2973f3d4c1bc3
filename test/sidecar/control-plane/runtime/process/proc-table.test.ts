import { describe, expect, test } from "bun:test";
import { parseStat, readStat } from "../../../../../shared/linux/proc-stat.ts";
import {
  processLives,
  readBootId,
} from "../../../../../sidecar/control-plane/runtime/process/proc-table.ts";

const REST = "1 77 78 0 -1 4194304 9 0 0 0 0 0 0 0 20 0 1 0 192859 524288 0";

describe("parseStat()", () => {
  const rows = [
    ["a plain name", `12 (sh) S ${REST}`, true],
    ["a name with spaces and parentheses", `12 (a) Z (b c) R ${REST}`, true],
    ["a name with a line end", `12 (a\nb) S ${REST}`, true],
    ["a stopped process", `12 (sh) T ${REST}`, true],
    ["a zombie", `12 (sh) Z ${REST}`, false],
    ["a dead process", `12 (sh) X ${REST}`, false],
  ] as const;
  test.each(rows)("reads %s", (_, text, alive) => {
    expect(parseStat(text)).toMatchObject({ alive, group: 77, session: 78, startTicks: 192_859 });
  });

  test.each(["", "12 (sh) S 1 2", "nonsense"])("gives nothing for %p", (text) => {
    expect(parseStat(text)).toBeUndefined();
  });
});

describe("processLives()", () => {
  const bootId = readBootId();
  const startTicks = readStat(process.pid)?.startTicks ?? 0;
  const self = { pid: process.pid, startTicks, bootId };

  test("is true of this very process", () => expect(processLives(self, bootId)).toBe(true));

  const others = [
    ["another start time", { ...self, startTicks: startTicks + 1 }],
    ["another boot", { ...self, bootId: "before" }],
    ["no such process", { ...self, pid: 2 ** 22 + 1 }],
  ] as const;
  test.each(others)("is false with %s", (_, id) => expect(processLives(id, bootId)).toBe(false));
});
