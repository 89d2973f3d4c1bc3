/**
 * How often one object may be sent: a few changes at once, as when a pod starts, then one every five
 * seconds. What changes all the time, a leader's lease say, must not fill the topic. Pure but for its map.
 */

/** Changes in a row that go through at once. */
export const BURST = 8;
export const REFILL_MS = 5000;

export type ChurnLimit = {
  /** May it go now? Then it is counted. */
  readonly take: (uid: string, nowMs: number) => boolean;
  /** Forgets objects that have all of their burst again. */
  readonly sweep: (nowMs: number) => void;
};

/** A bucket's debt in ms: each record adds REFILL_MS, time takes it off. */
export function openChurnLimit(): ChurnLimit {
  const paidUpAtMs = new Map<string, number>();
  return {
    take: (uid, nowMs) => {
      const from = Math.max(nowMs, paidUpAtMs.get(uid) ?? nowMs);
      if (from - nowMs > (BURST - 1) * REFILL_MS) return false;
      paidUpAtMs.set(uid, from + REFILL_MS);
      return true;
    },
    sweep: (nowMs) => {
      for (const [uid, atMs] of paidUpAtMs) if (atMs <= nowMs) paidUpAtMs.delete(uid);
    },
  };
}
