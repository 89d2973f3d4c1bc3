/**
 * Which node answers, by what it leads: only a partition's leader answers ListOffsets. Weaker than the
 * node's own word, for leadership moves, so evidence against the configured id is held against the
 * metadata of later rounds before it is believed. Pure.
 */
import type { TopicMetadata } from "../../../shared/kafka/api/metadata.ts";

/** Of the configured node, each of another topic where there are so many: one log that is broken says nothing. */
const OWN_MAX = 4;
/** Other leaders, one partition each. */
const OTHERS_MAX = 16;
/** How a question counts that did not come back, for whatever reason. */
export const NO_ANSWER = -1;
const UNKNOWN_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;
const NOT_LEADER_OR_FOLLOWER = 6;
/** A leader just elected, which does not know yet how far its followers are. */
const OFFSET_NOT_AVAILABLE = 78;
/** Such an answer is another one soon. */
const TRANSIENT: readonly number[] = [
  ...[NO_ANSWER, UNKNOWN_PARTITION, LEADER_NOT_AVAILABLE, OFFSET_NOT_AVAILABLE],
];

export type LedPartition = {
  readonly topic: string;
  readonly partition: number;
  /** By the metadata, as is the epoch. */
  readonly leader: number;
  readonly leaderEpoch: number;
};
export type AskedPartition = LedPartition & { readonly errorCode: number };

export type LeaderEvidence =
  | { readonly kind: "same"; readonly by: LedPartition }
  /** `nodeId`: whose partitions it answers for, where it answers for any. */
  | {
      readonly kind: "other";
      readonly nodeId: number | undefined;
      readonly by: readonly LedPartition[];
    }
  /** It may be another node: to be asked again. */
  | { readonly kind: "doubtful"; readonly why: string }
  | { readonly kind: "none"; readonly why: string };

export function partitionsOfOwn(
  topics: readonly TopicMetadata[],
  brokerId: number,
): readonly LedPartition[] {
  const first: LedPartition[] = [];
  const more: LedPartition[] = [];
  for (const topic of topics) {
    const led = ledIn(topic).filter(({ leader }) => leader === brokerId);
    first.push(...led.slice(0, 1));
    more.push(...led.slice(1, OWN_MAX));
    if (first.length >= OWN_MAX) break;
  }
  return [...first, ...more].slice(0, OWN_MAX);
}

export function partitionsOfOthers(
  topics: readonly TopicMetadata[],
  brokerId: number,
): readonly LedPartition[] {
  const found = new Map<number, LedPartition>();
  for (const led of topics.flatMap(ledIn)) {
    if (led.leader === brokerId || found.has(led.leader)) continue;
    found.set(led.leader, led);
    if (found.size === OTHERS_MAX) break;
  }
  return [...found.values()];
}

/** @param asked what the node answered of its own partitions, then of the others' */
export function evidenceOf(asked: readonly AskedPartition[], brokerId: number): LeaderEvidence {
  const isOwn = ({ leader }: LedPartition) => leader === brokerId;
  const answered = asked.filter(({ errorCode }) => errorCode === 0);
  const same = answered.find(isOwn);
  if (same !== undefined) return { kind: "same", by: same };
  const own = asked.filter(isOwn);
  const denied = own.filter(({ errorCode }) => errorCode === NOT_LEADER_OR_FOLLOWER);
  const [other] = answered;
  const unsaid = own.filter(({ errorCode }) => errorCode !== NOT_LEADER_OR_FOLLOWER);
  if (unsaid.length > 0) {
    const why = `it did not say whether it leads ${nameOf(unsaid[0])}`;
    const isTransient = unsaid.some(({ errorCode }) => TRANSIENT.includes(errorCode));
    if (other === undefined) return { kind: isTransient ? "doubtful" : "none", why };
    return { kind: "doubtful", why: `${why}, and answers as the leader of ${nameOf(other)}` };
  }
  if (other !== undefined) return { kind: "other", nodeId: other.leader, by: [other] };
  if (denied.length > 0) return { kind: "other", nodeId: undefined, by: denied };
  const silent = asked.find(({ errorCode }) => errorCode === NO_ANSWER);
  if (silent !== undefined) {
    return { kind: "doubtful", why: `it did not say whether it leads ${nameOf(silent)}` };
  }
  return { kind: "none", why: `node ${brokerId} leads no partition that is shown to us` };
}

/** Does the metadata still say what the evidence rests on, in the same leader epoch? */
export function stillLed(by: readonly LedPartition[], topics: readonly TopicMetadata[]): boolean {
  return by.some(({ topic, partition, leader, leaderEpoch }) =>
    topics
      .find(({ name }) => name === topic)
      ?.partitions.some(
        (now) =>
          now.partition === partition && now.leader === leader && now.leaderEpoch === leaderEpoch,
      ),
  );
}

const ledIn = ({ name: topic, errorCode, partitions }: TopicMetadata): readonly LedPartition[] =>
  errorCode !== 0
    ? []
    : partitions
        .filter(({ leader }) => leader >= 0)
        .map(({ partition, leader, leaderEpoch }) => ({ topic, partition, leader, leaderEpoch }));

export const nameOf = (led: LedPartition | undefined): string =>
  led === undefined ? "a partition" : `${led.topic}-${led.partition}`;
