/** What a reading without an answer is laid to: the broker, a quota of its, or a connection that is not open. */
import { expect, test } from "bun:test";
import { lateError } from "../../../../sidecar/broker/read/reading.ts";

const WAITED_MS = 2000;
const asked = (throttledForMs: number, sentMs: number | undefined = 1) => ({
  throttledForMs: () => throttledForMs,
  sentMs: () => sentMs,
});

test.each([
  ["a quota that holds us still", 300, ": the broker's quota mutes us for 300 ms"],
  ["one that did until 40 ms ago", -40, ": the broker's quota mutes us for 0 ms"],
  ["one that did in the first ms", -1999, ": the broker's quota mutes us for 0 ms"],
] as const)("lateError() lays it to %s", (_when, throttledForMs, says) => {
  const error = lateError("Metadata", WAITED_MS, asked(throttledForMs));
  expect(error.isThrottled).toBe(true);
  expect(error.detail).toEndWith(says);
});

test.each([
  ["one that was over before we asked", -WAITED_MS],
  ["one that never was", Number.NEGATIVE_INFINITY],
] as const)("lateError() lays it to no quota: %s", (_when, throttledForMs) => {
  const error = lateError("Metadata", WAITED_MS, asked(throttledForMs));
  expect(error.isThrottled).toBeUndefined();
  expect(error.detail).not.toContain("quota");
});

test("lateError() says that a question is not on its way yet", () => {
  const { detail } = lateError("Metadata", WAITED_MS, {
    throttledForMs: () => Number.NEGATIVE_INFINITY,
    sentMs: () => undefined,
  });
  expect(detail).toEndWith(": its connection is not open yet, or muted by a quota");
});
