/**
 * Infers which node answers from what it leads: only a partition's leader answers ListOffsets. This is
 * weaker than the node's own answer, because leadership moves. So evidence against the configured id is
 * compared with the metadata of later rounds before it is believed. Pure.
 */

import type { TopicMetadata } from "../../../shared/kafka/api/metadata.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";

/**
 * How many partitions of the configured node are asked for, each of another topic if possible: one broken
 * log proves nothing.
 */
const OWN_MAX = 4;
/** How many other leaders are asked for, with one partition each. */
const OTHERS_MAX = 16;
/** Stands for a question without an answer, for whatever reason. */
export const NO_ANSWER = -1;
/** Such an answer soon changes. The last one is that of a leader that was just elected and does not know yet how far its followers are. */
const TRANSIENT: readonly number[] = [
  ...[
    NO_ANSWER,
    kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"),
    kafkaCode("LEADER_NOT_AVAILABLE"),
    kafkaCode("OFFSET_NOT_AVAILABLE"),
  ],
];

export type LedPartition = {
  readonly topic: string;
  readonly partition: number;
  /** From the metadata, as is the epoch. */
  readonly leader: number;
  readonly leaderEpoch: number;
};
export type AskedPartition = LedPartition & { readonly errorCode: number };

export type LeaderEvidence =
  | { readonly kind: "same"; readonly by: LedPartition }
  /** `nodeId`: the node for whose partitions it answers, if it answers for any. */
  | {
      readonly kind: "other";
      readonly nodeId: number | undefined;
      readonly by: readonly LedPartition[];
    }
  /** It may be another node: ask again. */
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

/** @param asked what the node answered about its own partitions, then about the others' */
export function evidenceOf(asked: readonly AskedPartition[], brokerId: number): LeaderEvidence {
  const isOwn = ({ leader }: LedPartition) => leader === brokerId;
  const answered = asked.filter(({ errorCode }) => errorCode === 0);
  const same = answered.find(isOwn);
  if (same !== undefined) return { kind: "same", by: same };
  const own = asked.filter(isOwn);
  const denied = own.filter(({ errorCode }) => errorCode === kafkaCode("NOT_LEADER_OR_FOLLOWER"));
  const [other] = answered;
  const unsaid = own.filter(({ errorCode }) => errorCode !== kafkaCode("NOT_LEADER_OR_FOLLOWER"));
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
  return { kind: "none", why: `node ${brokerId} leads no partition that we may see` };
}

/** Whether the metadata still supports the evidence, in the same leader epoch. */
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
