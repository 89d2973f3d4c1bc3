/** When the next beat is due. Pure: chance comes in as a value. */

/** So that a fleet that was started in one moment does not beat in one moment for ever. */
export const JITTER = 0.1;

/** @param chance in [0, 1). @returns a time in [0.9, 1.1) of the interval, both in ms */
export const untilNextBeatMs = (intervalMs: number, chance: number): number =>
  intervalMs * (1 - JITTER + 2 * JITTER * chance);
