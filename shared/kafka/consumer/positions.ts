/** The positions of a consumer: one entry per partition, with the broker that leads it. */

import type { ClusterMetadata, TopicMetadata } from "../api/metadata.ts";
import { type KafkaError, protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import type { ReadPosition } from "./delivery.ts";

/** `add` replaces the entry: what was fetched for the earlier one is then dropped. */
export type Entry = {
  readonly topic: string;
  readonly partition: number;
  offset: number;
  /** -1: not known, or none. */
  leader: number;
  /** Waits for a new position. */
  paused: boolean;
  /** The end has been delivered at least once. */
  told: boolean;
  /**
   * Settles when nothing of this partition is being delivered, so that the loops of an old and a new leader
   * take turns.
   */
  delivered: Promise<void>;
};

const NO_LEADER = -1;

export type Positions = {
  readonly add: (position: ReadPosition) => void;
  readonly remove: (topic: string, partition: number) => void;
  readonly list: () => readonly ReadPosition[];
  readonly topics: () => readonly string[];
  readonly leaders: () => ReadonlySet<number>;
  /** To be fetched from this broker now. */
  readonly of: (leader: number) => readonly Entry[];
  readonly find: (topic: string, partition: number) => Entry | undefined;
  /** Sets the leaders from metadata. @returns false when some partition has none: look again soon */
  readonly lead: (cluster: ClusterMetadata, note: Note) => boolean;
  /** All sources that a problem may be about. */
  readonly sources: () => ReadonlySet<string>;
};

type Note = (source: string, error: KafkaError | undefined) => void;

export function partitionSource(topic: string, partition: number): string {
  return `partition ${topic}/${partition}`;
}

export function leaderSource(leader: number): string {
  return `broker ${leader}`;
}

export function openPositions(initial: readonly ReadPosition[]): Positions {
  const entries = new Map<string, Entry>();
  const keyOf = (topic: string, partition: number) => `${topic}/${partition}`;

  const add = ({ topic, partition, offset }: ReadPosition) => {
    const key = keyOf(topic, partition);
    const before = entries.get(key);
    const leader = before?.leader ?? NO_LEADER;
    const delivered = before?.delivered ?? Promise.resolve();
    entries.set(key, { topic, partition, offset, leader, paused: false, told: false, delivered });
  };
  for (const position of initial) add(position);

  const active = () => [...entries.values()].filter((entry) => !entry.paused);
  const leaders = () =>
    new Set(active().flatMap(({ leader }) => (leader === NO_LEADER ? [] : [leader])));

  return {
    add,
    remove: (topic, partition) => {
      entries.delete(keyOf(topic, partition));
    },
    list: () =>
      [...entries.values()].map(({ topic, partition, offset }) => ({ topic, partition, offset })),
    topics: () => [...new Set([...entries.values()].map(({ topic }) => topic))],
    leaders,
    of: (leader) => active().filter((entry) => entry.leader === leader),
    find: (topic, partition) => entries.get(keyOf(topic, partition)),
    lead: (cluster, note) => {
      const topics = new Map(cluster.topics.map((topic) => [topic.name, topic]));
      let settled = true;
      for (const entry of entries.values()) {
        const error = takeLeader(entry, topics.get(entry.topic));
        // That a topic is missing is a problem of its own.
        const shown = error?.code === "unknown-topic" ? undefined : error;
        note(partitionSource(entry.topic, entry.partition), shown);
        if (error !== undefined) settled = false;
      }
      return settled;
    },
    sources: () =>
      new Set([
        "metadata",
        ...[...entries.values()].map((entry) => partitionSource(entry.topic, entry.partition)),
        ...[...leaders()].map(leaderSource),
      ]),
  };
}

function takeLeader(entry: Entry, topic: TopicMetadata | undefined): KafkaError | undefined {
  const what = `read ${entry.topic}/${entry.partition}`;
  const errorCode = topic?.errorCode ?? kafkaCode("UNKNOWN_TOPIC_OR_PARTITION");
  const found = topic?.partitions.find((item) => item.partition === entry.partition);
  entry.leader = found?.leader ?? NO_LEADER;
  if (errorCode !== 0) return protocolError(errorCode, what, `DESCRIBE on topic ${entry.topic}`);
  if (found === undefined) return protocolError(kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"), what);
  return found.leader === NO_LEADER
    ? protocolError(kafkaCode("LEADER_NOT_AVAILABLE"), what)
    : undefined;
}
