/** Notices that a topic is gone, was recreated, or has another number of partitions. */

import type { TopicMetadata } from "../api/metadata.ts";
import { kafkaCode } from "../error-code.ts";
import type { ReadProblem } from "./delivery.ts";

type Seen = { readonly topicId: string; readonly partitions: number; readonly missing: boolean };

export type TopicWatch = {
  readonly see: (topics: readonly TopicMetadata[], wanted: readonly string[]) => void;
  /** "" when it was never seen. */
  readonly idOf: (topic: string) => string;
};

export function watchTopics(problem: (problem: ReadProblem) => void): TopicWatch {
  const seen = new Map<string, Seen>();

  const lose = (topic: string, was: Seen | undefined) => {
    seen.set(topic, { topicId: "", partitions: 0, ...was, missing: true });
    if (was?.missing !== true) problem({ kind: "topic-missing", topic });
  };

  const compare = (topic: string, was: Seen, now: Seen) => {
    if (was.topicId === "") return;
    const { topicId: oldTopicId } = was;
    const { topicId: newTopicId } = now;
    if (oldTopicId !== newTopicId)
      problem({ kind: "topic-recreated", topic, oldTopicId, newTopicId });
    if (was.partitions !== now.partitions)
      problem({ kind: "partition-count-changed", topic, was: was.partitions, now: now.partitions });
  };

  const seeOne = (topic: string, found: TopicMetadata | undefined) => {
    const was = seen.get(topic);
    if (found === undefined || found.errorCode === kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"))
      return lose(topic, was);
    // Such as refused: nothing is known.
    if (found.errorCode !== 0) return;
    const now = { topicId: found.topicId, partitions: found.partitions.length, missing: false };
    seen.set(topic, now);
    if (was !== undefined) compare(topic, was, now);
  };

  return {
    see: (topics, wanted) => {
      const found = new Map(topics.map((topic) => [topic.name, topic]));
      for (const topic of wanted) seeOne(topic, found.get(topic));
    },
    idOf: (topic) => seen.get(topic)?.topicId ?? "",
  };
}
