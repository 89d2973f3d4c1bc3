/**
 * The time of one round, as far as we were running. If a step between ticks is longer than two ticks, the
 * excess was our own pause (SIGSTOP, a throttled cgroup) and does not count: an answer that we were too
 * slow to read is never the broker's silence.
 *
 * Invariants (test/sidecar/broker/read/round-clock.test.ts): the round ends when the observed time reaches
 * the deadline, and not before data that has already arrived is processed.
 */
import { type Clock, sleep } from "../../../shared/clock.ts";

const TICK_MS = 50;
/** The usual lateness of a timer, which does not count as lag. */
const STEP_MS_MAX = 2 * TICK_MS;

export type RoundClock = {
  /** The promise's value; undefined when the round is over first. A rejection passes through. */
  readonly within: <T>(promise: Promise<T>) => Promise<T | undefined>;
  /** Resolves after that much observed time, or at the end of the round. */
  readonly after: (ms: number) => Promise<void>;
  /** Time since the round began, without our own pauses. */
  readonly observedMs: () => number;
  /** Observed time that is left until the deadline. */
  readonly leftMs: () => number;
  /** The time of our own pauses. */
  readonly lagMs: () => number;
  /** Aborts when the round is over. */
  readonly signal: AbortSignal;
  readonly stop: () => void;
};

export type RoundClockOptions = {
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Ends the round early. */
  readonly signal: AbortSignal;
};

export function openRoundClock({
  deadlineMs,
  clock: { monotonicMs },
  signal,
}: RoundClockOptions): RoundClock {
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
    // After the data that the sockets already have.
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
