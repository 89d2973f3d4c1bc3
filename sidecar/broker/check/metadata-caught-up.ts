/**
 * Does this node, voter or observer, follow the metadata log? Its lag is given in records and by the quorum
 * leader's clock, so that our clock is never compared with another.
 */

import type { Quorum, QuorumReplica } from "../snapshot.ts";
import { ageText, counted } from "../text.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

/** Kafka's default `controller.quorum.fetch.timeout.ms`: after it the leader itself considers a voter lost. */
const CAUGHT_UP_WITHIN_MS = 2000;
/**
 * Used where the leader gives no times (DescribeQuorum 0, before KIP-836). It writes two records a second
 * when idle.
 */
const LAG_RECORDS_MAX = 100;

const CHECK = "metadata-caught-up";
const UNKNOWN = -1;
const say = verdictsOf(CHECK);

export type QuorumLag = {
  readonly records: number;
  /** Time since it was last caught up, by the leader's clock; `never` since it joined; undefined: not given. */
  readonly ms: number | "never" | undefined;
};

export const checkMetadataCaughtUp: Check = ({ brokerId, quorum }) => {
  const read = readOr(CHECK, quorum);
  if (!read.ok) return read.error;
  const { value, durationMs } = read.value;
  if (leaderOf(value) === undefined) {
    return say("unknown", "no leader says how far the metadata log reaches", durationMs);
  }
  const lag = lagOf(value, brokerId);
  if (lag === undefined) {
    return say("warn", `node ${brokerId} is neither voter nor observer of the quorum`, durationMs);
  }
  const part = value.voters.some(({ id }) => id === brokerId) ? "voter" : "observer";
  return say(isCaughtUp(lag) ? "pass" : "warn", `${part}, ${lagText(lag)}`, durationMs);
};

/** Undefined when there is no leader, or the node is not in the quorum. */
export function lagOf(quorum: Quorum, id: number): QuorumLag | undefined {
  const leader = leaderOf(quorum);
  const own = replicaOf(quorum, id);
  if (leader === undefined || own === undefined) return undefined;
  const records = Math.max(0, leader.logEndOffset - own.logEndOffset);
  return { records, ms: msBehind(leader, own) };
}

/** `never` also for a leader that has just been elected, and for a voter from which it has not heard yet. */
function msBehind(leader: QuorumReplica, own: QuorumReplica): QuorumLag["ms"] {
  if (own.id === leader.id) return 0;
  if (leader.lastCaughtUpAtMs === UNKNOWN) return undefined;
  if (own.lastCaughtUpAtMs === UNKNOWN) return "never";
  return Math.max(0, leader.lastCaughtUpAtMs - own.lastCaughtUpAtMs);
}

export function isCaughtUp({ records, ms }: QuorumLag): boolean {
  if (ms === undefined) return records <= LAG_RECORDS_MAX;
  return ms !== "never" && ms <= CAUGHT_UP_WITHIN_MS;
}

function lagText({ records, ms }: QuorumLag): string {
  const behind = counted(records, "record");
  if (ms === undefined) return `${behind} behind, at most ${LAG_RECORDS_MAX}`;
  if (ms === "never") return `${behind} behind, never caught up yet`;
  return `${behind} behind, was caught up ${ageText(ms)} ago (at most ${ageText(CAUGHT_UP_WITHIN_MS)})`;
}

/** A leader that has been removed from the voters is an observer. */
function leaderOf(quorum: Quorum): QuorumReplica | undefined {
  return quorum.leaderId === UNKNOWN ? undefined : replicaOf(quorum, quorum.leaderId);
}

const replicaOf = ({ voters, observers }: Quorum, id: number): QuorumReplica | undefined =>
  voters.find((one) => one.id === id) ?? observers.find((one) => one.id === id);
