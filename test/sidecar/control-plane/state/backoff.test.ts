/** Backoff per cluster: after failures, and after a worker that exits again and again. */
import { describe, expect, test } from "bun:test";
import {
  createBackoffs,
  PATIENT_MAX_MS,
  STABLE_MS,
} from "../../../../sidecar/control-plane/state/backoff.ts";
import { A, B } from "../sample.ts";

/** Chance at its end: the whole wait. At 0: half of it. */
const whole = () => createBackoffs(() => 1);

const waitOf = (backoffs: ReturnType<typeof whole>): number | undefined => {
  let waitMs = 0;
  while (backoffs.backingOff(A, waitMs)) waitMs += 500;
  return waitMs;
};

describe("createRetries()", () => {
  test.each([
    [1, 1_000],
    [2, 2_000],
    [6, 32_000],
    [7, 60_000],
    [2_000, 60_000],
  ])("waits after failure %d for %d ms", (count, want) => {
    const backoffs = whole();
    for (let failure = 1; failure <= count; failure += 1) {
      expect(backoffs.failed(A, 0)).toBe(failure);
    }
    expect(waitOf(backoffs)).toBe(want);
    expect(backoffs.backingOff(B, 0)).toBe(false);
  });
  test("waits for minutes where it is told to", () => {
    const backoffs = whole();
    for (let failure = 1; failure <= 20; failure += 1) backoffs.failed(A, 0, PATIENT_MAX_MS);
    expect(waitOf(backoffs)).toBe(300_000);
  });
  test("waits for half of that at least", () => {
    const backoffs = createBackoffs(() => 0);
    backoffs.failed(A, 0);
    expect(waitOf(backoffs)).toBe(500);
  });
  test.each([
    [1, 0],
    [2, 1_000],
    [3, 2_000],
    [8, 60_000],
  ])("waits after exit %d in a row for %d ms", (count, want) => {
    const backoffs = whole();
    for (let exit = 1; exit <= count; exit += 1) backoffs.exited(A, 0, STABLE_MS - 1);
    expect(backoffs.failures(A)).toBe(count);
    expect(waitOf(backoffs)).toBe(want);
  });
  test("begins anew after a worker that ran for STABLE_MS", () => {
    const backoffs = whole();
    for (let exit = 1; exit <= 5; exit += 1) backoffs.exited(A, 0, 0);
    expect(backoffs.exited(A, 0, STABLE_MS)).toBe(1);
    expect(waitOf(backoffs)).toBe(0);
  });
  test("forgets a cluster that succeeded", () => {
    const backoffs = whole();
    backoffs.failed(A, 0);
    backoffs.succeeded(A);
    expect([backoffs.failures(A), backoffs.backingOff(A, 0)]).toEqual([0, false]);
  });
  test("hands out a cluster when its backoff is over, not before", () => {
    const backoffs = whole();
    backoffs.failed(A, 0);
    backoffs.failed(B, 500);
    expect(backoffs.nextMs()).toBe(1_000);
    expect(backoffs.take(999)).toEqual([]);
    expect(backoffs.take(1_000)).toEqual([A]);
    expect(backoffs.backingOff(A, 1_000)).toBe(false);
    expect(backoffs.take(1_500)).toEqual([B]);
    expect(backoffs.nextMs()).toBeUndefined();
  });
});
