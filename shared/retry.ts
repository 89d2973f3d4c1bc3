/**
 * Retries after a growing wait: `retry` until one operation succeeds, `repeat` for a loop that goes on
 * until its signal aborts.
 */
import { type BackoffTimes, backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Deadline } from "./deadline.ts";
import type { Result } from "./result.ts";

/** How long to wait after a failure, and the clock for that. */
export type Pace = BackoffTimes & { readonly clock: Pick<Clock, "random" | "sleep"> };

export type RetryPolicy<E> = Pace & {
  /** No attempt begins after it, and no wait goes beyond it. */
  readonly deadline?: Deadline;
  /** Including the first one. Default: no limit. */
  readonly triesMax?: number;
  /** Whether the same may succeed later; `isTransient` asks the error itself. */
  readonly again: (error: E) => boolean;
  /**
   * Called for each failure that may be retried, with the number of failures in a row (from 1) and the
   * wait, if there is time for it.
   */
  readonly failed?: (error: E, failures: number, waitMs: number) => void;
};

export const isTransient = (error: { readonly retry: "transient" | "terminal" }): boolean =>
  error.retry === "transient";

/** For operations that are retried until the signal aborts, whatever the error. */
export const ALWAYS = (): boolean => true;

/**
 * Tries at least once. If the deadline or the signal cut the last attempt short, the error is that of the
 * attempt before, which says more.
 */
export async function retry<T, E>(
  operation: () => Promise<Result<T, E>>,
  policy: RetryPolicy<E>,
  signal: AbortSignal | undefined = policy.deadline?.signal,
): Promise<Result<T, E>> {
  const { clock, again, failed, triesMax = Number.POSITIVE_INFINITY } = policy;
  const end = endOf(policy.deadline, signal);
  let before: Result<T, E> | undefined;
  for (let failures = 1; ; failures += 1) {
    const outcome = await operation();
    if (outcome.ok || !again(outcome.error)) return outcome;
    if (end.aborted()) return before ?? outcome;
    const waitMs = backoffMs(failures - 1, policy, clock.random());
    failed?.(outcome.error, failures, waitMs);
    if (failures >= triesMax) return outcome;
    if (end.over()) return before ?? outcome;
    await clock.sleep(Math.min(waitMs, end.leftMs()), signal);
    if (end.over()) return outcome;
    before = outcome;
  }
}

function endOf(deadline: Deadline | undefined, signal: AbortSignal | undefined) {
  const aborted = () => signal?.aborted === true;
  return {
    aborted,
    over: () => aborted() || deadline?.over() === true,
    leftMs: () => deadline?.leftMs() ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * The result of one turn of a loop. `again`: the next turn follows at once. `failed`: it follows after a
 * wait. `lapsed`: it worked before it failed, so this is the first failure in a row. `over`: nothing is
 * left to do.
 */
export type Turn = "again" | "failed" | "lapsed" | "over";

/** Makes turn after turn, until one is `over` or the signal aborts. */
export async function repeat(
  turn: (failures: number) => Promise<Turn>,
  pace: Pace,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    const came = await turn(failures);
    if (came === "over" || signal.aborted) return;
    failures = came === "failed" ? failures + 1 : Number(came === "lapsed");
    if (failures === 0) continue;
    await pace.clock.sleep(backoffMs(failures - 1, pace, pace.clock.random()), signal);
  }
}
