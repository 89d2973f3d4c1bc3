/** Waiting: it ends in time, once, and leaves nothing behind. */

import { describe, expect, test } from "bun:test";
import { sleep } from "../../shared/clock.ts";
import { DeadlineExceeded, startDeadline, withDeadline, within } from "../../shared/deadline.ts";

const NEVER = new Promise<never>(() => {});
const SOON_MS = 5;
const LONG_MS = 3_600_000;

describe("withDeadline()", () => {
  test("gives the promise's value", async () => {
    expect(await withDeadline(Promise.resolve(1), LONG_MS, "one")).toBe(1);
  });
  test("gives the promise's own rejection", async () => {
    const failing = withDeadline(Promise.reject(new Error("own")), LONG_MS, "one");
    expect(await failing.catch(String)).toBe("Error: own");
  });
  test("rejects when it is over, naming what and how long", async () => {
    const error = await withDeadline(NEVER, SOON_MS, "list topics").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DeadlineExceeded);
    expect(String(error)).toBe("DeadlineExceeded: list topics: no answer within 5 ms");
  });
  test("swallows a rejection that comes too late", async () => {
    const late = Promise.withResolvers<number>();
    const error = await withDeadline(late.promise, SOON_MS, "x").catch((e: unknown) => e);
    late.reject(new Error("late"));
    await sleep(SOON_MS);
    expect(error).toBeInstanceOf(DeadlineExceeded);
  });
});

describe("within()", () => {
  test.each([2 ** 31 + 5, Number.POSITIVE_INFINITY])(
    "is not over at once after %d ms",
    async (ms) => {
      const ended = await within(
        sleep(SOON_MS).then(() => "slept"),
        { deadlineMs: ms },
      );
      expect(ended).toEqual({ kind: "done", value: "slept" });
    },
  );
  test("says who ended it, and calls back at the deadline alone", async () => {
    let late = 0;
    const onLate = () => {
      late += 1;
    };
    const stop = new AbortController();
    const waiting = within(NEVER, { deadlineMs: LONG_MS, signal: stop.signal }, onLate);
    stop.abort();
    expect(await waiting).toEqual({ kind: "aborted" });
    expect(await within(NEVER, { deadlineMs: LONG_MS, signal: stop.signal }, onLate)).toEqual({
      kind: "aborted",
    });
    expect(late).toBe(0);
    expect(await within(NEVER, { deadlineMs: SOON_MS }, onLate)).toEqual({ kind: "late" });
    expect(late).toBe(1);
  });
});

describe("startDeadline()", () => {
  test("gives each call what is left, at most what it asks for", () => {
    const deadline = startDeadline({ deadlineMs: LONG_MS });
    expect(deadline.call(SOON_MS)).toEqual({ deadlineMs: SOON_MS });
    expect(deadline.call().deadlineMs).toBeLessThanOrEqual(LONG_MS);
    expect(deadline.over()).toBe(false);
  });
  test("is over at its end, and when its signal aborts", () => {
    const stop = new AbortController();
    expect(startDeadline({ deadlineMs: 0 }).over()).toBe(true);
    const deadline = startDeadline({ deadlineMs: LONG_MS, signal: stop.signal });
    stop.abort();
    expect(deadline.over()).toBe(true);
    expect(deadline.call().signal).toBe(stop.signal);
  });
});
