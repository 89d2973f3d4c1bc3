/**
 * For how long the local broker has been silent, and whether it is alone in that. The others are asked from
 * the second silent round on, so that they have a whole round to answer: a slow one is not silent.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { RoundClock } from "../read/round-clock.ts";
import type { ListenerAnswer, Silence } from "../snapshot.ts";
import { isSharedNow } from "./liveness-brake.ts";
import type { PeerCensus } from "./peers.ts";

export type OutageWatch = {
  /**
   * Called when a round begins. The returned function is called once, with what the local broker did in
   * that round.
   */
  readonly round: (clock: RoundClock) => (answer: ListenerAnswer) => Promise<Silence | undefined>;
};

export function openOutageWatch(deps: {
  readonly peers: PeerCensus;
  readonly clock: Clock;
}): OutageWatch {
  const {
    peers,
    clock: { monotonicMs },
  } = deps;
  let sinceMs: number | undefined;
  let isShared = false;

  const end = (): undefined => {
    if (sinceMs !== undefined) peers.rest();
    sinceMs = undefined;
    isShared = false;
  };

  return {
    round: (clock) => {
      const beganMs = monotonicMs();
      const census = sinceMs === undefined ? undefined : peers.count(clock);
      return async (answer) => {
        if (answer.kind !== "silent") return end();
        sinceMs ??= beganMs;
        const counted = await census;
        isShared = isSharedNow(isShared, counted, answer.connected);
        return { forMs: beganMs - sinceMs, isShared, peers: counted };
      };
    },
  };
}
