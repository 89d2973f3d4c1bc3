/**
 * The brake keeps brokers that hang together from being restarted together. When most of the other brokers
 * are silent as well, the cause is likely something that they share (storage, a flood of clients).
 * Restarting all at the same time would then turn a slow cluster into an absent one. So they take turns, by
 * broker id: the first at once, each next one LIVENESS_BRAKE later. Pure.
 */
import type { BrokerSnapshot, Peers } from "../snapshot.ts";

/** Fewer others say nothing: the only other one may be down for reasons of its own. */
const PEERS_MIN = 2;
/** With more brokers than this, several share a turn, so that the last is not held back for hours. */
const TURNS_MAX = 5;

/**
 * The silence is shared from the round in which most others are silent until all that are asked answer: the
 * return of the first must not release all the rest. A broker that does not accept the connection counts as
 * silent only if the local broker does not accept ours either, because there the network cannot be at
 * fault.
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

/** @returns for how many more ms a silent broker must not be restarted; 0: it may be. */
export function brakedMs(
  { brokerId, silence }: Pick<BrokerSnapshot, "brokerId" | "silence">,
  { livenessBrakeMs }: { readonly livenessBrakeMs: number },
): number {
  if (silence?.isShared !== true) return 0;
  const brokers = (silence.peers?.known ?? 0) + 1;
  const turn = brokerId % Math.min(brokers, TURNS_MAX);
  return Math.max(0, turn * livenessBrakeMs - silence.forMs);
}
