/** Backoff: never more than its limits, whatever the attempt and the chance. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { backoffMs } from "../../shared/backoff.ts";

describe("backoffMs()", () => {
  const cases: readonly [number, number][] = [
    [0, 100],
    [1, 200],
    [3, 800],
    [4, 1000],
    [5000, 1000],
  ];
  test.each(cases)("at most, before retry %d: %d ms", (attempt, ms) => {
    expect(backoffMs(attempt, { baseMs: 100, maxMs: 1000 }, 1)).toBe(ms);
    expect(backoffMs(attempt, { baseMs: 100, maxMs: 1000 }, 0)).toBe(0);
  });
  test.each([
    [0, 500],
    [0.5, 750],
    [1, 1000],
  ])("leaves its certain share not to chance: %d gives %d ms", (chance, ms) => {
    expect(backoffMs(9, { baseMs: 100, maxMs: 1000, certain: 0.5 }, chance)).toBe(ms);
    expect(backoffMs(9, { baseMs: 100, maxMs: 1000, certain: 1 }, chance)).toBe(1000);
  });
  test("stays within its limits", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const times = fc.record({ baseMs: fc.nat(), maxMs: fc.nat(), certain: share });
    fc.assert(
      fc.property(fc.nat(), times, share, (attempt, limits, chance) => {
        const ms = backoffMs(attempt, limits, chance);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(limits.maxMs + 1e-6);
      }),
    );
  });
});
