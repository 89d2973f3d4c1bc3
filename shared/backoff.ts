/**
 * How long to wait before trying again: exponential with full jitter, so that many clients that lost
 * the same broker do not all come back at the same time (AWS, "Exponential Backoff And Jitter").
 */

export type BackoffTimes = {
  readonly baseMs: number;
  readonly maxMs: number;
  /** The share of a wait that is not left to chance: 0 (the default) is full jitter, 1 none. */
  readonly certain?: number;
};

/**
 * Attempt 0 is the first retry. The wait lies between its certain share and min(maxMs, baseMs * 2^attempt).
 * @param chance in [0, 1)
 */
export function backoffMs(attempt: number, times: BackoffTimes, chance: number): number {
  const { baseMs, maxMs, certain = 0 } = times;
  // 2 ** 1024 is Infinity and still gives maxMs; a base of zero would give NaN there.
  const ceilingMs = baseMs === 0 ? 0 : baseMs * 2 ** Math.max(0, attempt);
  return Math.min(maxMs, ceilingMs) * (certain + (1 - certain) * chance);
}
