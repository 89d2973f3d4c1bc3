/**
 * How long to wait before trying again: exponential with full jitter, so that many clients that lost
 * the same broker do not all come back in the same moment (AWS, "Exponential Backoff And Jitter").
 */

/** Attempt 0 is the first retry. The wait lies in [0, min(maxMs, baseMs * 2^attempt)). */
export function backoffMs(
  attempt: number,
  options: { readonly baseMs: number; readonly maxMs: number; readonly random: () => number },
): number {
  // 2 ** 1024 is Infinity and still gives maxMs; a base of zero would give NaN there.
  const ceilingMs = options.baseMs === 0 ? 0 : options.baseMs * 2 ** Math.max(0, attempt);
  return Math.min(options.maxMs, ceilingMs) * options.random();
}
