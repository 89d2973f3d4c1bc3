/**
 * The brake against "all peers fail alike, so all restart". When most of the other brokers are silent as
 * well, what they share (storage, network, a flood of clients) is the likelier cause than each of them;
 * restarts at the same moment would then make a slow cluster an absent one. So they take turns, by broker
 * id: the first at once, each next one LIVENESS_BRAKE later. The delay is bounded, and ends when most
 * answer again. Pure.
 */
import type { BrokerSnapshot } from "./reading.ts";

/** Of fewer others nothing can be told: the only other one may be down for reasons of its own. */
const PEERS_MIN = 2;
/** With more brokers than this several share a turn, so that the last is not held for hours. */
const TURNS_MAX = 5;

/** @returns for how many ms more a silent broker is not to be restarted; 0: it may be. */
export function brakedMs(
  { brokerId, peers, silentMs }: Pick<BrokerSnapshot, "brokerId" | "peers" | "silentMs">,
  { livenessBrakeMs }: { readonly livenessBrakeMs: number },
): number {
  if (peers === undefined || peers.asked < PEERS_MIN) return 0;
  const silent = peers.asked - peers.answered;
  if (silent * 2 <= peers.asked) return 0;
  const turn = brokerId % Math.min(peers.known + 1, TURNS_MAX);
  return Math.max(0, turn * livenessBrakeMs - silentMs);
}
