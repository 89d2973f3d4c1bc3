/**
 * Which job begins next: the largest that the processors have room for, so that no large one runs alone at
 * the end, and none is short of CPU. What each took before stands in costs.json. Pure.
 */

export type Cost = {
  readonly seconds: number;
  /** Of all its processes together. */
  readonly cpuSeconds: number;
};

/** Of a job that is not in the table: a file on real servers, as most are. */
const UNKNOWN: Cost = { seconds: 45, cpuSeconds: 25 };
/** What is left to peaks, such as the start of a server. */
const BUSY_MAX = 0.8;

export type Room = { readonly cpus: number; readonly atOnceMax: number };

/**
 * The place of the next one in `waiting`; undefined: when one of the running has ended. With none running
 * there always is one.
 */
export function nextJob(
  waiting: readonly (Cost | undefined)[],
  running: readonly (Cost | undefined)[],
  { cpus, atOnceMax }: Room,
): number | undefined {
  if (running.length >= atOnceMax) return undefined;
  const taken = running.reduce((sum, each) => sum + loadOf(each), 0);
  const bySize = [...waiting.entries()].sort(([, a], [, b]) => sizeOf(b) - sizeOf(a));
  const fits = ([, each]: readonly [number, Cost | undefined]) =>
    running.length === 0 || taken + loadOf(each) <= cpus * BUSY_MAX;
  return bySize.find(fits)?.[0];
}

/** CPU counts again: what needs much of it would find no room but at the end. */
const sizeOf = ({ seconds, cpuSeconds }: Cost = UNKNOWN): number => seconds + cpuSeconds;

/** In processors. */
const loadOf = ({ seconds, cpuSeconds }: Cost = UNKNOWN): number =>
  cpuSeconds / Math.max(1, seconds);
