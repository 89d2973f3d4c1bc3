/**
 * Whether a node that claims to lead the quorum still has a majority. Before Kafka 3.7 a leader that lost
 * it still claims to lead for as long as it runs (KAFKA-15489): then nothing can be committed, or another
 * node leads by now.
 *
 * Pure, except that it remembers since when an epoch is known. All times are by the leader's own clock.
 */
import type { Quorum, QuorumReplica } from "../../../shared/kafka/api/describe-quorum.ts";
import type { SeenQuorum } from "../snapshot.ts";
import { ageText, counted } from "../text.ts";

/**
 * A live voter fetches twice a second (KafkaRaftClient, MAX_FETCH_WAIT_MS). The limit is more than twice
 * `controller.quorum.fetch.timeout.ms` (2 s by default): from 3.7 on, Kafka's own leader resigns after 1.5
 * times that, so we never report the loss before it does.
 */
export const VOTER_SILENT_MS = 5_000;

const NONE = -1;
/** DescribeQuorum 2: Kafka 3.9. */
const RESIGNS_FROM = 2;

/**
 * Whether such a leader resigns when it loses its majority. What Kafka says itself is then believed, for it also
 * counts what `lastFetchAtMs` does not show (a voter that downloads a snapshot), and knows its own timeouts.
 * @param version of the DescribeQuorum answer
 */
export const resigns = (version: number): boolean => version >= RESIGNS_FROM;

/**
 * @param knownForMs for how long this leader's epoch is known: a voter may not have had time to fetch in it
 * @returns undefined while a majority of the voters follows, or if that is not known: Kafka before 3.3
 * gives no times (DescribeQuorum 0)
 */
export function lostMajority(quorum: Quorum, knownForMs: number): string | undefined {
  const { leaderId, voters, observers } = quorum;
  if (leaderId === NONE) return undefined;
  // The leader's own time is its present time.
  const nowMs = Math.max(...[...voters, ...observers].map(({ lastFetchAtMs }) => lastFetchAtMs));
  if (nowMs <= 0) return undefined;
  const follows = ({ id, lastFetchAtMs }: QuorumReplica): boolean => {
    if (id === leaderId) return true;
    return lastFetchAtMs > 0
      ? nowMs - lastFetchAtMs <= VOTER_SILENT_MS
      : knownForMs <= VOTER_SILENT_MS;
  };
  const following = voters.filter(follows).length;
  if (following > voters.length / 2) return undefined;
  const ofVoters = `${following} of ${counted(voters.length, "voter")}, itself included`;
  return `node ${leaderId} says that it leads, but it has lost its majority: in ${ageText(VOTER_SILENT_MS)} only ${ofVoters}, fetched from it`;
}

/** @returns a function that checks each answer; a quorum without a majority has no leader */
export function openMajorityWatch(monotonicMs: () => number): (quorum: Quorum) => SeenQuorum {
  let known = { leaderId: NONE, leaderEpoch: NONE, sinceMs: 0 };
  return (quorum) => {
    const { leaderId, leaderEpoch } = quorum;
    if (leaderId !== known.leaderId || leaderEpoch !== known.leaderEpoch)
      known = { leaderId, leaderEpoch, sinceMs: monotonicMs() };
    const deposed = lostMajority(quorum, monotonicMs() - known.sinceMs);
    return deposed === undefined ? quorum : { ...quorum, leaderId: NONE, deposed };
  };
}
