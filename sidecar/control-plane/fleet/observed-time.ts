/**
 * Observed time: how old a cluster's last sign of life is, counting only time in which we would have
 * seen a newer one.
 *
 * The leader writes a tick into every heartbeat partition. When it reads its own tick back, it has read all
 * that was appended before, so that partition's clock advances to the time when the tick was sent. While
 * Kafka is away, or we are paused, cut off or behind, no tick comes back, and no cluster ages. One more
 * clock, the joint one, advances with the slowest partition. It is for clusters of which no beat has been
 * read yet, so that their partition is not known.
 *
 * Invariants, each tested in test/sidecar/control-plane/fleet/observed-time.test.ts:
 *  - a clock never runs ahead of monotonic time, and never backwards;
 *  - no step is longer than `STEP_INTERVALS_MAX` intervals: a longer one is a gap, after which
 *    nothing is due on that clock for one more `heartbeatTimeoutMs` of observed time;
 *  - only our own ticks count, each at most once, in any order of arrival.
 * Pure: monotonic times come in as values.
 */

/** A step longer than this many tick intervals was not fully observed: it is cut, and counts as a gap. */
const STEP_INTERVALS_MAX = 2;
/** How many unread tick rounds are remembered; older ones can no longer advance a clock. */
const ROUNDS_REMEMBERED_MAX = 4096;

export type AgeSettings = {
  readonly partitions: number;
  readonly intervalMs: number;
  readonly heartbeatTimeoutMs: number;
};

type Clock = {
  observedMs: number;
  /** The tick round up to which this clock has advanced, and when that was sent; undefined: none yet. */
  at: { readonly round: number; readonly sentMs: number } | undefined;
  gapUntilMs: number;
};

/** Index of a clock: a heartbeat partition, or, after the last one, `joint`. */
export type ClockIndex = number;

export type Ages = {
  readonly joint: ClockIndex;
  readonly partitions: number;
  /** A tick round is about to be written; `sentMs` is monotonic. */
  readonly sent: (round: number, sentMs: number) => void;
  /** One of our ticks was read back. Returns the clocks that advanced. */
  readonly read: (partition: number, round: number) => readonly ClockIndex[];
  /** Observed time of a clock in ms since the leader's term began. */
  readonly observedMs: (clock: ClockIndex) => number;
  /** True while clean-ups on this clock wait for the end of a gap. */
  readonly inGap: (clock: ClockIndex) => boolean;
  /** When the newest tick that came back was sent, monotonic ms, for the slowest partition. */
  readonly slowestReadMs: () => number | undefined;
  /** The same for the fastest partition. */
  readonly newestReadMs: () => number | undefined;
};

export function createAges(settings: AgeSettings): Ages {
  const { partitions, intervalMs, heartbeatTimeoutMs } = settings;
  const clocks: Clock[] = Array.from({ length: partitions + 1 }, () => ({
    observedMs: 0,
    at: undefined,
    gapUntilMs: 0,
  }));
  const sentAtMs = new Map<number, number>();

  const clockOf = (index: ClockIndex): Clock => {
    const clock = clocks[index];
    if (clock === undefined) throw new RangeError(`no clock ${index} of ${clocks.length}`);
    return clock;
  };

  const advance = (clock: Clock, round: number, sentMs: number): boolean => {
    if (clock.at !== undefined && round <= clock.at.round) return false;
    if (clock.at !== undefined) {
      const stepMs = sentMs - clock.at.sentMs;
      const stepMaxMs = STEP_INTERVALS_MAX * intervalMs;
      clock.observedMs += Math.min(stepMs, stepMaxMs);
      if (stepMs > stepMaxMs) clock.gapUntilMs = clock.observedMs + heartbeatTimeoutMs;
    }
    clock.at = { round, sentMs };
    return true;
  };

  /** The partition that has advanced least; undefined while one has not advanced at all. */
  const slowest = (): Clock["at"] => {
    let least: Clock["at"];
    for (const { at } of clocks.slice(0, partitions)) {
      if (at === undefined) return undefined;
      if (least === undefined || at.round < least.round) least = at;
    }
    return least;
  };

  const newest = (): Clock["at"] =>
    clocks
      .slice(0, partitions)
      .flatMap(({ at }) => at ?? [])
      .reduce<Clock["at"]>((best, at) => (at.round > (best?.round ?? -1) ? at : best), undefined);

  /** The joint clock has the time of the slowest partition. */
  const advanceJoint = (): boolean => {
    const at = slowest();
    return at !== undefined && advance(clockOf(partitions), at.round, at.sentMs);
  };

  const forget = (): void => {
    const needed = slowest()?.round ?? 0;
    for (const round of sentAtMs.keys()) {
      if (round > needed && sentAtMs.size <= ROUNDS_REMEMBERED_MAX) break;
      sentAtMs.delete(round);
    }
  };

  return {
    joint: partitions,
    partitions,
    sent: (round, sentMs) => {
      sentAtMs.set(round, sentMs);
      forget();
    },
    read: (partition, round) => {
      const sentMs = sentAtMs.get(round);
      if (sentMs === undefined || partition >= partitions) return [];
      if (!advance(clockOf(partition), round, sentMs)) return [];
      return advanceJoint() ? [partition, partitions] : [partition];
    },
    observedMs: (index) => clockOf(index).observedMs,
    inGap: (index) => clockOf(index).observedMs < clockOf(index).gapUntilMs,
    slowestReadMs: () => slowest()?.sentMs,
    newestReadMs: () => newest()?.sentMs,
  };
}
