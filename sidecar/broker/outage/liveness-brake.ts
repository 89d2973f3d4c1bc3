/**
 * The brake against "all peers fail alike, so all restart". When most of the other brokers are silent as
 * well, what they share (storage, a flood of clients) is the likelier cause than each of them; restarts
 * at the same moment would then make a slow cluster an absent one. So they take turns, by broker id: the
 * first at once, each next one LIVENESS_BRAKE later. Pure.
 */
import type { BrokerSnapshot, Peers } from "../snapshot.ts";

/** Of fewer others nothing can be told: the only other one may be down for reasons of its own. */
const PEERS_MIN = 2;
/** With more brokers than this several share a turn, so that the last is not held for hours. */
const TURNS_MAX = 5;

/**
 * Shared from the round on in which most others are silent until all that are asked answer: the return of
 * the first must not let go of all the rest at once. Whose connection nobody takes counts as silent only
 * where the local broker's is not taken either, over a network that cannot be at fault.
 */
export function isSharedNow(
  wasShared: boolean,
  peers: Peers | undefined,
  isLocalTaken: boolean,
): boolean {
  if (peers === undefined) return wasShared;
  const { asked, answered, untaken } = peers;
  const told = isLocalTaken ? asked - untaken : asked;
  if (told < PEERS_MIN) return wasShared;
  return wasShared ? answered < asked : (told - answered) * 2 > told;
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
