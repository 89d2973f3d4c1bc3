/** Durations: Go's forms, one past each limit, and the way back. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DURATION_MS_MAX, formatDuration, parseAge, parseDuration } from "../../shared/duration.ts";

describe("parseAge()", () => {
  test.each([
    ["30d", 2_592_000_000],
    ["1d12h", 129_600_000],
    ["0d", 0],
    ["36h", 129_600_000],
  ])("reads %s as %d ms", (text, ms) => expect(parseAge(text)).toEqual({ ok: true, value: ms }));
  test.each(["30", "d", "1.5d", "1h1d", "1d 1h", "-1d", "1d2", "100000d"])("refuses %s", (text) =>
    expect(parseAge(text).ok).toBe(false),
  );
});

describe("parseDuration()", () => {
  const right: readonly [string, number][] = [
    ["30s", 30_000],
    ["2m", 120_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["500ms", 500],
    [".5s", 500],
    ["1.s", 1000],
    ["+1s", 1000],
    ["1us", 0.001],
    ["1\u00b5s", 0.001],
    ["1\u03bcs", 0.001],
    ["1ns", 0.000_001],
    ["0s", 0],
    ["1m1m", 120_000],
    ["2540400h10m10s", 9_145_440_610_000],
  ];
  test.each(right)("reads %s as %d ms", (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  const wrong: readonly [string, RegExp][] = [
    ["30", /a unit is missing: 30s or 30m/u],
    ["0", /a unit is missing/u],
    ["-1s", /negative/u],
    ["1d", /not a duration/u],
    ["1 s", /not a duration/u],
    ["s", /not a duration/u],
    ["", /not a duration/u],
    [".s", /not a duration/u],
    ["1s2", /not a duration/u],
    ["1e3s", /not a duration/u],
    ["2562048h", /longer than/u],
  ];
  test.each(wrong)("refuses %p", (text, message) => {
    const read = parseDuration(text);
    expect(read.ok ? "" : read.error).toMatch(message);
  });

  test("reads back what formatDuration() writes, to the nanosecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: DURATION_MS_MAX }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
      }),
    );
  });

  test("never throws, and never gives what is no time", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = parseDuration(text);
        if (read.ok) expect(read.value).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("formatDuration()", () => {
  const cases: readonly [number, string][] = [
    [0, "0s"],
    [0.001, "0.001ms"],
    [999, "999ms"],
    [1000, "1s"],
    [1500, "1.5s"],
    [60_000, "1m"],
    [90_000, "1m30s"],
    [3_600_000, "1h"],
    [5_400_000, "1h30m"],
    [36_000_000, "10h"],
    [100, "100ms"],
    [-1500, "-1.5s"],
  ];
  test.each(cases)("writes %d ms as %s", (ms, text) => expect(formatDuration(ms)).toBe(text));
});
