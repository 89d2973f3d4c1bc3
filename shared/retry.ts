/**
 * Trying again what failed for now, after a wait that grows: `retry` until one thing is done, `repeat` for
 * what goes on for as long as its signal lets it.
 */
import { type BackoffTimes, backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Deadline } from "./deadline.ts";
import type { Result } from "./result.ts";

/** How long to wait after a failure, and whose time and chance that takes. */
export type Pace = BackoffTimes & { readonly clock: Pick<Clock, "random" | "sleep"> };

export type RetryPolicy<E> = Pace & {
  /** Nothing is tried after it, and no wait goes beyond it. */
  readonly deadline?: Deadline;
  /** The first one counts. Default: no limit. */
  readonly triesMax?: number;
  /** May the same succeed later? `isTransient` asks the error itself. */
  readonly again: (error: E) => boolean;
  /** Told of what may be tried again: `failures` in a row, 1 at the first one, and the wait, if there is time for it. */
  readonly failed?: (error: E, failures: number, waitMs: number) => void;
};

export const isTransient = (error: { readonly retry: "transient" | "terminal" }): boolean =>
  error.retry === "transient";

/** For what is tried as long as anybody wants it, whatever the error. */
export const ALWAYS = (): boolean => true;

/**
 * Tries at least once. A try that the end cut short says less than the one before it: then the error is
 * that one's.
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
 * What a turn of a loop came to. `again`: the next one follows at once. `failed`: after a wait. `lapsed`: it
 * worked before it failed, so this is the first failure in a row. `over`: nothing more is to be done.
 */
export type Turn = "again" | "failed" | "lapsed" | "over";

/** Turn after turn, until one says that it is over or the signal aborts. */
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
