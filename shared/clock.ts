/**
 * Time and randomness, passed as an argument, so that a test can pass its own. Only this file takes both
 * from the machine.
 */

export type Clock = {
  /** Wall clock, Unix ms: for records and people, never for waiting. */
  readonly nowMs: () => number;
  /** ms since this process started; never goes back. */
  readonly monotonicMs: () => number;
  /** Resolves after `ms` or when the signal aborts, whichever is first; never rejects. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
};

/** A timer's delay is an int32, 24 days; a longer one would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

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

export const systemClock: Clock = {
  nowMs: Date.now,
  monotonicMs: () => performance.now(),
  sleep,
  random: Math.random,
};
