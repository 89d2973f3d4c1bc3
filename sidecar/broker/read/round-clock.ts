/**
 * The time of one round, as far as we observed it. Of a step that is longer than two ticks the rest was
 * our own standing still (SIGSTOP, a throttled cgroup) and does not count: what we were too slow to hear
 * is never the broker's silence.
 *
 * Invariants (test/sidecar/broker/read/round-clock.test.ts): the round ends when the observed time reaches the
 * deadline, and not before what has already arrived is taken in.
 */

import { sleep } from "../../../shared/deadline.ts";

const TICK_MS = 50;
/** A timer's usual lateness is no lag. */
const STEP_MS_MAX = 2 * TICK_MS;

export type RoundClock = {
  /** The promise's value; undefined when the round is over first. A rejection passes through. */
  readonly within: <T>(promise: Promise<T>) => Promise<T | undefined>;
  /** Resolves after so much observed time, or at the end of the round. */
  readonly after: (ms: number) => Promise<void>;
  /** Since the round began, without the time in which we stood still. */
  readonly observedMs: () => number;
  /** Of the observed time, until the deadline. */
  readonly leftMs: () => number;
  /** The time in which we stood still. */
  readonly lagMs: () => number;
  /** Aborted when the round is over. */
  readonly signal: AbortSignal;
  readonly stop: () => void;
};

export type RoundClockOptions = {
  readonly deadlineMs: number;
  readonly monotonicMs: () => number;
  /** Ends the round early. */
  readonly signal: AbortSignal;
};

export function openRoundClock({ deadlineMs, monotonicMs, signal }: RoundClockOptions): RoundClock {
  const over = new AbortController();
  let lastMs = monotonicMs();
  let observedMs = 0;
  let lagMs = 0;
  const advance = () => {
    const nowMs = monotonicMs();
    const stepMs = nowMs - lastMs;
    lastMs = nowMs;
    observedMs += Math.min(stepMs, STEP_MS_MAX);
    lagMs += Math.max(0, stepMs - STEP_MS_MAX);
  };
  const end = () => over.abort();
  const timer = setInterval(() => {
    advance();
    // After what the sockets have for us by now.
    if (observedMs >= deadlineMs) setImmediate(() => setImmediate(end));
  }, TICK_MS);
  const stop = () => {
    clearInterval(timer);
    signal.removeEventListener("abort", end);
    end();
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  const ended = untilAborted(over.signal);
  const observe = () => {
    advance();
    return observedMs;
  };
  return {
    within: (promise) => Promise.race([promise, ended]),
    after: async (ms) => {
      while (observedMs < ms && !over.signal.aborted) {
        await sleep(TICK_MS, over.signal);
      }
    },
    observedMs: observe,
    leftMs: () => Math.max(0, deadlineMs - observe()),
    lagMs: () => lagMs,
    signal: over.signal,
    stop,
  };
}

export const untilAborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
    if (signal.aborted) resolve(undefined);
  });
