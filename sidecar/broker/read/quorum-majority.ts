/**
 * Whether a node that says it leads the quorum still has a majority. Before Kafka 3.7 one that lost it goes on
 * saying so, for as long as it runs (KAFKA-15489): then nothing can be committed, or another node leads by now.
 *
 * Pure but for the memory of since when an epoch is known. All times are of the leader's own clock.
 */
import type { Quorum, QuorumReplica } from "../../../shared/kafka/api/describe-quorum.ts";
import type { SeenQuorum } from "../snapshot.ts";
import { ageText, counted } from "../text.ts";

/**
 * A voter that lives fetches twice a second (KafkaRaftClient, MAX_FETCH_WAIT_MS). Above twice
 * `controller.quorum.fetch.timeout.ms` (2 s by default), after 1.5 times of which Kafka's own leader resigns from
 * 3.7 on: a leader that does is never called deposed before it says so itself.
 */
export const VOTER_SILENT_MS = 5_000;

const NONE = -1;

/**
 * @param knownForMs for how long this leader's epoch is known: a voter that has not fetched in it may be on its way
 * @returns undefined while a majority of the voters follows, or where that is not told: a Kafka before 3.3 gives no
 * times (DescribeQuorum 0)
 */
export function lostMajority(quorum: Quorum, knownForMs: number): string | undefined {
  const { leaderId, voters, observers } = quorum;
  if (leaderId === NONE) return undefined;
  // The leader's own is its time now.
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

/** @returns what judges each answer; one without a majority has no leader */
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
