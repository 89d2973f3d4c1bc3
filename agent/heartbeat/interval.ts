/** When the next beat is due. Pure: the random number comes in as a value. */

/** Jitter, so that a fleet that was started at one time does not beat at one time for ever. */
export const JITTER = 0.1;

/** @param chance in [0, 1). @returns a time in [0.9, 1.1) of the interval, both in ms */
export const untilNextBeatMs = (intervalMs: number, chance: number): number =>
  intervalMs * (1 - JITTER + 2 * JITTER * chance);
