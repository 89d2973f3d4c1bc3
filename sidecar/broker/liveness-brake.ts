/**
 * The brake against "all peers fail alike, so all restart". When most of the other brokers are silent as
 * well, what they share (storage, a flood of clients) is the likelier cause than each of them; restarts
 * at the same moment would then make a slow cluster an absent one. So they take turns, by broker id: the
 * first at once, each next one LIVENESS_BRAKE later. Pure.
 */
import type { BrokerSnapshot, Peers } from "./reading.ts";

/** Of fewer others nothing can be told: the only other one may be down for reasons of its own. */
const PEERS_MIN = 2;
/** With more brokers than this several share a turn, so that the last is not held for hours. */
const TURNS_MAX = 5;

/**
 * Shared from the round on in which most others are silent until all that can be asked answer: the return
 * of the first must not let go of all the rest at once.
 */
export function isSharedNow(wasShared: boolean, peers: Peers | undefined): boolean {
  if (peers === undefined || peers.asked < PEERS_MIN) return wasShared;
  const silent = peers.asked - peers.answered;
  return wasShared ? silent > 0 : silent * 2 > peers.asked;
}

/** @returns for how many ms more a silent broker is not to be restarted; 0: it may be. */
export function brakedMs(
  { brokerId, silence }: Pick<BrokerSnapshot, "brokerId" | "silence">,
  { livenessBrakeMs }: { readonly livenessBrakeMs: number },
): number {
  if (silence?.isShared !== true) return 0;
  const brokers = (silence.peers?.known ?? 0) + 1;
  const turn = brokerId % Math.min(brokers, TURNS_MAX);
  return Math.max(0, turn * livenessBrakeMs - silence.forMs);
}
