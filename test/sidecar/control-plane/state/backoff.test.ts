/** Backoff per cluster: after failures, and after a worker that exits again and again. */
import { describe, expect, test } from "bun:test";
import { createRetries, STABLE_MS } from "../../../../sidecar/control-plane/state/backoff.ts";
import { A, B } from "../sample.ts";

/** Chance at its end: the whole wait. At 0: half of it. */
const whole = () => createRetries(() => 1);

const waitOf = (retries: ReturnType<typeof whole>): number | undefined => {
  let waitMs = 0;
  while (retries.backingOff(A, waitMs)) waitMs += 500;
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
    const retries = whole();
    for (let failure = 1; failure <= count; failure += 1) {
      expect(retries.failed(A, 0)).toBe(failure);
    }
    expect(waitOf(retries)).toBe(want);
    expect(retries.backingOff(B, 0)).toBe(false);
  });
  test("waits for half of that at least", () => {
    const retries = createRetries(() => 0);
    retries.failed(A, 0);
    expect(waitOf(retries)).toBe(500);
  });
  test.each([
    [1, 0],
    [2, 1_000],
    [3, 2_000],
    [8, 60_000],
  ])("waits after exit %d in a row for %d ms", (count, want) => {
    const retries = whole();
    for (let exit = 1; exit <= count; exit += 1) retries.exited(A, 0, STABLE_MS - 1);
    expect(retries.failures(A)).toBe(count);
    expect(waitOf(retries)).toBe(want);
  });
  test("begins anew after a worker that ran for STABLE_MS", () => {
    const retries = whole();
    for (let exit = 1; exit <= 5; exit += 1) retries.exited(A, 0, 0);
    expect(retries.exited(A, 0, STABLE_MS)).toBe(1);
    expect(waitOf(retries)).toBe(0);
  });
  test("forgets a cluster that succeeded", () => {
    const retries = whole();
    retries.failed(A, 0);
    retries.succeeded(A);
    expect([retries.failures(A), retries.backingOff(A, 0)]).toEqual([0, false]);
  });
  test("hands out a cluster when its backoff is over, not before", () => {
    const retries = whole();
    retries.failed(A, 0);
    retries.failed(B, 500);
    expect(retries.nextMs()).toBe(1_000);
    expect(retries.take(999)).toEqual([]);
    expect(retries.take(1_000)).toEqual([A]);
    expect(retries.backingOff(A, 1_000)).toBe(false);
    expect(retries.take(1_500)).toEqual([B]);
    expect(retries.nextMs()).toBeUndefined();
  });
});
