/** Bounded waiting: every call has a deadline, shared by all of its steps, on the monotonic clock. */
import { systemClock, TIMER_MS_MAX } from "./clock.ts";

/** A call ends at its deadline, whatever the other side does. The signal ends it earlier. */
export type Call = { readonly deadlineMs: number; readonly signal?: AbortSignal };

export type Deadline = {
  readonly totalMs: number;
  readonly leftMs: () => number;
  /** The remaining time, at most `mostMs`, as a call of its own. */
  readonly call: (mostMs?: number) => Call;
  readonly signal: AbortSignal | undefined;
  readonly over: () => boolean;
};

export function startDeadline(call: Call): Deadline {
  const endMs = systemClock.monotonicMs() + call.deadlineMs;
  const leftMs = () => Math.max(0, endMs - systemClock.monotonicMs());
  const signal = call.signal;
  return {
    totalMs: call.deadlineMs,
    leftMs,
    signal,
    over: () => leftMs() <= 0 || signal?.aborted === true,
    call: (mostMs = Number.POSITIVE_INFINITY) => {
      const deadlineMs = Math.min(leftMs(), mostMs);
      return signal === undefined ? { deadlineMs } : { deadlineMs, signal };
    },
  };
}

/** How a wait ended: with the promise, at the deadline, or by the signal. */
export type Ended<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly cause: unknown }
  | { readonly kind: "late" }
  | { readonly kind: "aborted" };

/**
 * Waits for the promise, at most until the call's deadline. A later outcome is ignored, and no timer is
 * left. `onLate` runs right at the deadline, before any other code.
 */
export function within<T>(
  promise: Promise<T>,
  call: Call,
  onLate: () => void = () => undefined,
): Promise<Ended<T>> {
  return new Promise((resolve) => {
    const end = (ended: Ended<T>) => {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", abort);
      resolve(ended);
    };
    const abort = () => end({ kind: "aborted" });
    const late = () => {
      end({ kind: "late" });
      onLate();
    };
    const timer = setTimeout(late, Math.min(TIMER_MS_MAX, Math.max(1, call.deadlineMs)));
    if (call.signal?.aborted === true) abort();
    else call.signal?.addEventListener("abort", abort, { once: true });
    promise.then(
      (value) => end({ kind: "done", value }),
      (cause: unknown) => end({ kind: "failed", cause }),
    );
  });
}

/** The promise was not settled in time. What it waits for may still happen. */
export class DeadlineExceeded extends Error {
  readonly what: string;
  readonly afterMs: number;

  constructor(what: string, afterMs: number) {
    super(`${what}: no answer within ${afterMs} ms`);
    this.name = "DeadlineExceeded";
    this.what = what;
    this.afterMs = afterMs;
  }
}

/** The promise's own outcome. @throws DeadlineExceeded after `ms` */
export async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  const ended = await within(promise, { deadlineMs: ms });
  if (ended.kind === "done") return ended.value;
  throw ended.kind === "failed" ? ended.cause : new DeadlineExceeded(what, ms);
}
