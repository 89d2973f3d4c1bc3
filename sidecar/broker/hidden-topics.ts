/**
 * Kafka hides a topic that we may not describe, without a word: a broker full of replicas would look
 * empty, and well. When its directories hold replicas and its metadata has no topic at all, what is
 * missing is a permission. Pure.
 */
import { type KafkaError, protocolError } from "../../shared/kafka/error.ts";
import type { ClusterMetadata } from "../../shared/kafka/metadata.ts";
import type { LogDir, Reading } from "./reading.ts";

const TOPIC_AUTHORIZATION_FAILED = 29;

/** The metadata as it was read, or what is missing to read it. */
export function unlessHidden(
  metadata: Reading<ClusterMetadata>,
  dirs: Reading<readonly LogDir[]>,
): Reading<ClusterMetadata> {
  if (metadata.kind !== "read" || metadata.value.topics.length > 0) return metadata;
  if (dirs.kind !== "read" || !dirs.value.some(({ replicas }) => replicas > 0)) return metadata;
  return { kind: "failed", error: hidden(), durationMs: metadata.durationMs };
}

function hidden(): KafkaError {
  const what = "read the metadata of topics, of which there are replicas here";
  return protocolError(TOPIC_AUTHORIZATION_FAILED, what, "DESCRIBE on all topics");
}
