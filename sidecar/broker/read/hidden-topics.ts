/**
 * Kafka hides a topic that we may not describe, without a word: a broker full of replicas would look
 * empty, and well. When its directories hold replicas and its metadata has no topic at all, what is
 * missing is a permission; when they hold more than the metadata shows, it is one on some of the topics.
 */

import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import { counted, eachPartition } from "../check/text.ts";
import type { DirContents, LogDir, Reading } from "../snapshot.ts";

const TOPIC_AUTHORIZATION_FAILED = 29;

/** The metadata as it was read, or what is missing to read it. */
export function unlessHidden(
  metadata: Reading<ClusterMetadata>,
  dirs: Reading<readonly LogDir[]>,
): Reading<ClusterMetadata> {
  if (metadata.kind !== "read" || metadata.value.topics.length > 0) return metadata;
  if (!contentsOf(dirs).some(({ replicas }) => replicas > 0)) return metadata;
  return { kind: "failed", error: hidden(), durationMs: metadata.durationMs };
}

/**
 * Counts the replicas here of topics that are not shown. A topic that is created or deleted between the
 * two answers would count, too: so the smaller of the last two readings of the directories is taken.
 */
export function openHiddenReplicas(brokerId: number) {
  let last: { readonly contents: DirContents | undefined; readonly more: number } | undefined;
  let counted = 0;
  return (metadata: Reading<ClusterMetadata>, dirs: Reading<readonly LogDir[]>): number => {
    const contents = contentsOf(dirs);
    const [first] = contents;
    if (metadata.kind !== "read" || first === undefined) return counted;
    const here = contents.reduce((sum, { replicas, future }) => sum + replicas - future.length, 0);
    const more = Math.max(0, here - replicasShown(metadata.value, brokerId));
    if (last === undefined || last.contents !== first) {
      counted = Math.min(more, last?.more ?? more);
      last = { contents: first, more };
    }
    return counted;
  };
}

/** What the verdicts say of them that rest on every topic being seen. */
export const hiddenText = (replicas: number): string =>
  `${counted(replicas, "replica")} here of topics that are not shown to us ` +
  "(missing permission: DESCRIBE on all topics)";

function replicasShown(cluster: ClusterMetadata, brokerId: number): number {
  let shown = 0;
  eachPartition(cluster, ({ replicas }) => {
    if (replicas.includes(brokerId)) shown += 1;
  });
  return shown;
}

const contentsOf = (dirs: Reading<readonly LogDir[]>): readonly DirContents[] =>
  dirs.kind === "read" ? dirs.value.flatMap(({ contents }) => contents ?? []) : [];

function hidden(): KafkaError {
  const what = "read the metadata of topics, of which there are replicas here";
  return protocolError(TOPIC_AUTHORIZATION_FAILED, what, "DESCRIBE on all topics");
}
