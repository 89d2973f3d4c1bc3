/**
 * Does this node, voter or observer, follow the metadata log? How far it lags is told in records and
 * by the quorum leader's clock, so that no clock of ours is compared with another's.
 */

import type { Quorum, QuorumReplica } from "../snapshot.ts";
import { ageText, counted } from "../text.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

/** Kafka's default `controller.quorum.fetch.timeout.ms`: past it the leader itself takes a voter for lost. */
const CAUGHT_UP_WITHIN_MS = 2000;
/** Where the leader tells no times (DescribeQuorum 0, before KIP-836). It writes two records a second when idle. */
const LAG_RECORDS_MAX = 100;

const CHECK = "metadata-caught-up";
const UNKNOWN = -1;
const say = verdictsOf(CHECK);

export type QuorumLag = {
  readonly records: number;
  /** Since it last had everything, by the leader's clock; `never` since it joined; undefined: not told. */
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

/** Of a leader that has just been elected, and of a voter that it has not heard yet, nothing is known: `never`. */
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
  return `${behind} behind, had all of them ${ageText(ms)} ago (at most ${ageText(CAUGHT_UP_WITHIN_MS)})`;
}

/** A leader that has been taken out of the voters is an observer. */
function leaderOf(quorum: Quorum): QuorumReplica | undefined {
  return quorum.leaderId === UNKNOWN ? undefined : replicaOf(quorum, quorum.leaderId);
}

const replicaOf = ({ voters, observers }: Quorum, id: number): QuorumReplica | undefined =>
  voters.find((one) => one.id === id) ?? observers.find((one) => one.id === id);
