/** A call's deadline, counted down over all the steps of the call, on the monotonic clock. */

import { err, ok, type Result } from "../result.ts";
import type { Call } from "./api/request.ts";
import { abortedError, type KafkaError, kafkaErrorOf, timeoutError } from "./error.ts";

/** What setTimeout takes, 24 days; it fires at once when given more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export type Deadline = {
  readonly totalMs: number;
  readonly leftMs: () => number;
  /** What is left, at most `mostMs`, as a call of its own. */
  readonly call: (mostMs?: number) => Call;
  readonly signal: AbortSignal | undefined;
  readonly over: () => boolean;
};

export function startDeadline(call: Call): Deadline {
  const endMs = performance.now() + call.deadlineMs;
  const leftMs = () => Math.max(0, endMs - performance.now());
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

/** The promise's outcome, or a timeout at the deadline, or the end that the signal asks for. What the promise does later is ignored. */
export function bounded<T>(
  promise: Promise<T>,
  call: Call,
  whatWasTried: string,
  onTimeout: () => void,
): Promise<Result<T, KafkaError>> {
  return new Promise((resolve) => {
    const end = (result: Result<T, KafkaError>) => {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", abort);
      resolve(result);
    };
    const abort = () => end(err(abortedError(whatWasTried)));
    const timer = setTimeout(
      () => {
        end(err(timeoutError(whatWasTried, Math.round(call.deadlineMs))));
        onTimeout();
      },
      Math.min(TIMER_MS_MAX, Math.max(1, call.deadlineMs)),
    );
    if (call.signal?.aborted === true) abort();
    else call.signal?.addEventListener("abort", abort, { once: true });
    promise.then(
      (value) => end(ok(value)),
      (cause: unknown) => end(err(kafkaErrorOf(cause, whatWasTried))),
    );
  });
}

/** Waits, at most until the deadline or the signal. */
export function pause(waitMs: number, call: Call): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, Math.min(waitMs, call.deadlineMs, TIMER_MS_MAX)));
    if (call.signal?.aborted === true) end();
    else call.signal?.addEventListener("abort", end, { once: true });
  });
}
