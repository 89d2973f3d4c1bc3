/**
 * Whether any control plane leads, seen from outside: reads the leader's ticks from the end of one
 * heartbeat partition on (a leader writes ticks into all of them). Ticks of a deposed leader do not count.
 */
import type { Clock } from "../../../shared/clock.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import type { PartitionOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import { decodeHeartbeat, TICK_KEY } from "../../../shared/protocol/message.ts";
import { HEARTBEAT } from "../../../shared/protocol/topic.ts";
import type { Tail } from "./tail.ts";

/** When it was read, monotonic ms, and the time between two of that leader's. */
export type SeenTick = { readonly atMs: number; readonly intervalMs: number };

export type LeaderWatch = {
  /** Starts again at these ends, with the first partition that has one. */
  readonly follow: (ends: PartitionOffsets) => void;
  /** The newest tick; undefined before any. */
  readonly seen: () => SeenTick | undefined;
};

export function openLeaderWatch(options: {
  readonly tail: Tail;
  /** The epoch of the last known leader. */
  readonly lastLeader: () => number | undefined;
  readonly clock: Clock;
}): LeaderWatch {
  const {
    tail,
    lastLeader,
    clock: { monotonicMs },
  } = options;
  let seen: SeenTick | undefined;
  let followed: number | undefined;

  const fold = ({ records }: ReadBatch): void => {
    for (const { key, value } of records) {
      if (!isTickKey(key)) continue;
      const read = decodeHeartbeat(key, value);
      if (!read.ok || read.value.kind !== "tick") continue;
      const { epoch, interval_ms: intervalMs } = read.value.tick;
      if (epoch >= (lastLeader() ?? 0)) seen = { atMs: monotonicMs(), intervalMs };
    }
  };

  return {
    follow: ({ offsets }) => {
      if (followed !== undefined) tail.unfollow(HEARTBEAT, followed);
      const [first] = offsets;
      followed = first?.[0];
      if (first !== undefined) tail.follow(HEARTBEAT, first[0], first[1], fold);
    },
    seen: () => seen,
  };
}

/** Only ticks are decoded, among very many beats. */
const isTickKey = (key: Uint8Array | null): boolean =>
  key?.byteLength === TICK_KEY.length && key[0] === TICK_KEY.charCodeAt(0);
