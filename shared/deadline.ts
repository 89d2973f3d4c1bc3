/** Waiting with an end: no call without a deadline, no sleep that cannot be cut short. */

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

/** A timer's delay is an int32; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * The promise's own outcome, or a rejection with DeadlineExceeded after `ms`. A rejection of the
 * promise that comes later than that is swallowed; no timer is left in either case.
 */
export function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new DeadlineExceeded(what, ms)),
      Math.min(ms, TIMER_MS_MAX),
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Resolves after `ms` or when the signal aborts, whichever is first; never rejects. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  let leftMs = ms;
  do {
    await nap(Math.min(leftMs, TIMER_MS_MAX), signal);
    leftMs -= TIMER_MS_MAX;
  } while (leftMs > 0 && signal?.aborted !== true);
}

function nap(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
