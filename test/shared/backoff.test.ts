/** Backoff: never more than its limits, whatever the attempt and the chance. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { backoffMs } from "../../shared/backoff.ts";

const fixed = (value: number) => () => value;

describe("backoffMs()", () => {
  const cases: readonly [number, number][] = [
    [0, 100],
    [1, 200],
    [3, 800],
    [4, 1000],
    [5000, 1000],
  ];
  test.each(cases)("at most, before retry %d: %d ms", (attempt, ms) => {
    expect(backoffMs(attempt, { baseMs: 100, maxMs: 1000, random: fixed(1) })).toBe(ms);
    expect(backoffMs(attempt, { baseMs: 100, maxMs: 1000, random: fixed(0) })).toBe(0);
  });
  test("stays within its limits", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), share, (attempt, baseMs, maxMs, random) => {
        const ms = backoffMs(attempt, { baseMs, maxMs, random: fixed(random) });
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(maxMs);
      }),
    );
  });
});
