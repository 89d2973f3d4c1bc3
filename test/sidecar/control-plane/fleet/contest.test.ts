/** Which instances beat beside each other, and which one after the other. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Conflict } from "../../../../shared/protocol/ledger-facts.ts";
import { type Agents, foldInstance } from "../../../../sidecar/control-plane/fleet/contest.ts";

const STALE_MS = 120;
/** Between two beats in a row, of whomever. */
const STEP_MS = 10;

/** `A` a beat of instance A, `a` its last one, `.` nobody's; each STEP_MS after the one before. */
function play(beats: string, known?: Conflict) {
  const agents: Agents = { lastInstance: undefined, contest: undefined };
  let conflict = known;
  const seen: string[] = [];
  for (const [index, letter] of [...beats].entries()) {
    const observedMs = index * STEP_MS;
    if (letter !== ".") {
      const beat = { instance: letter.toUpperCase(), stopping: letter !== letter.toUpperCase() };
      const at = { observedMs, nowMs: 0, staleAfterMs: STALE_MS };
      conflict = foldInstance(agents, conflict, beat, at);
    }
    seen.push(conflict === undefined ? "-" : conflict.instances.join("+"));
  }
  return { conflict, seen, agents };
}

const TURNS = "AB".repeat(8);
const KNOWN: Conflict = { instances: ["A", "B"], since: "2026-01-01T00:00:00.000Z" };

describe("foldInstance()", () => {
  test.each([
    ["one agent", "A".repeat(40)],
    ["restarts, each with its last beat", "AAAaBBBbCCCcDDD"],
    ["a crash loop: no last beats, and nobody comes back", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
    [
      "a rolling update: both beat for less than a stale deadline",
      `${"AB".repeat(6)}a${"B".repeat(30)}`,
    ],
    ["a beat that comes late", "AAABABBBBBBBBBBBBBBBBBBBBBBBBBBB"],
    ["one that is started by hand now and then", `AB${"A".repeat(30)}BA${"A".repeat(30)}BA`],
    ["stopped and started by turns", "AaBb".repeat(10)],
  ])("%s is no conflict", (_, beats) => {
    expect(new Set(play(beats).seen)).toEqual(new Set(["-"]));
  });

  test.each([
    ["two in turn", TURNS],
    ["two, one of which beats more often", "AAAB".repeat(6)],
    ["a clone in a crash loop beside one that lives", "ABACADAEAFAGAHAI"],
    ["a clone whose crash loop is fast", "ABCDAEFGAHIJAKLMANOPAQRSA"],
    ["three", "ABC".repeat(6)],
  ])("%s are a conflict once they did so for longer than a stale deadline", (_, beats) => {
    expect(play(beats).conflict).toBeDefined();
  });

  test("the deadline is passed, not reached: 120 ms are not enough, 130 are", () => {
    // A was interrupted at 10 ms and is back at 130, or at 140.
    expect(play(`AB....AB${".".repeat(5)}A`).seen.at(-1)).toBe("-");
    expect(play(`AB....AB${".".repeat(6)}A`).seen.at(-1)).toBe("A+B");
  });

  test("it ends a stale deadline after the last turn, however one of them ended", () => {
    for (const end of ["", "a"]) {
      const { seen } = play(`${TURNS}${end}${"B".repeat(14)}`);
      const [last] = seen.slice(TURNS.length + 11);
      expect(last).toBe("A+B");
      expect(seen.at(-1)).toBe("-");
    }
  });

  test("one that stops is still in conflict when its tombstone follows", () => {
    expect(play(`${TURNS}a`).conflict?.instances).toEqual(["A", "B"]);
  });

  test("a leader takes over what the ledger says, and ends it when nobody beats in turn any more", () => {
    expect(play("A", KNOWN).conflict).toEqual(KNOWN);
    expect(play("ABAB", KNOWN).conflict).toEqual(KNOWN);
    expect(play("A".repeat(14), KNOWN).conflict).toBeUndefined();
  });

  test("it began when it was first seen, whoever beats since", () => {
    const [first] = [play(TURNS).conflict];
    expect(play(`${TURNS}CACACA`).conflict?.since).toBe(first?.since ?? "");
  });

  test("where no instance comes back there is never a conflict, and little is kept", () => {
    const once = fc.uniqueArray(fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"), { minLength: 1 });
    fc.assert(
      fc.property(once, fc.integer({ min: 1, max: 5 }), (letters, times) => {
        const { conflict, agents } = play(letters.map((one) => one.repeat(times)).join(""));
        return conflict === undefined && (agents.contest?.interrupted.size ?? 0) <= 8;
      }),
    );
  });
});
