/**
 * Metadata (API 3, versions 10 to 12: topic ids) decoded by our own code: a partition without a leader is
 * data here, while kafkajs rejects the whole answer.
 */

import { ByteReader, type ByteWriter } from "./bytes.ts";
import type { KafkaRequest } from "./request.ts";

export type BrokerNode = {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
};

/**
 * No id: the topic does not exist, or Kafka gives its topics no ids (ZooKeeper, with
 * `inter.broker.protocol.version` below 2.8). Two topics with this value are not the same topic.
 */
export const NIL_TOPIC_ID = "00000000-0000-0000-0000-000000000000";

export type PartitionMetadata = {
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly offlineReplicas: readonly number[];
  /** 0, or a protocol error code such as 5 LEADER_NOT_AVAILABLE. */
  readonly errorCode: number;
};

export type TopicMetadata = {
  readonly name: string;
  /** A UUID; `NIL_TOPIC_ID` where there is none. */
  readonly topicId: string;
  /** 0, or such as 3 UNKNOWN_TOPIC_OR_PARTITION, 29 TOPIC_AUTHORIZATION_FAILED. */
  readonly errorCode: number;
  readonly isInternal: boolean;
  /** What we may do to it, a bit per operation (authorized-operations.ts); absent when that was not asked for. */
  readonly operations?: number;
  readonly partitions: readonly PartitionMetadata[];
};

export type ClusterMetadata = {
  readonly clusterId: string | null;
  /** Under KRaft a random live broker, not the quorum's leader. */
  readonly controllerId: number;
  readonly brokers: readonly BrokerNode[];
  readonly topics: readonly TopicMetadata[];
};

const NO_TOPIC_ID = Buffer.alloc(16);
const LAST_VERSION_WITH_CLUSTER_OPERATIONS = 10;
const OPERATIONS_NOT_ASKED = -(2 ** 31);

/**
 * Never creates a topic. `all`: every topic we may describe. An empty list: brokers only. With
 * `operations`, also what we may do to each topic (KIP-430), even if it does not exist.
 */
export function metadataRequest(
  topics: readonly string[] | "all",
  { operations = false }: { readonly operations?: boolean } = {},
): KafkaRequest<ClusterMetadata> {
  return {
    apiKey: 3,
    apiName: "Metadata",
    versions: { min: 10, max: 12 },
    flexibleFrom: 9,
    throttle: { at: "start", from: 6 },
    encode: (writer, version) => encodeTopics(writer, topics, version, operations),
    decode: decodeCluster,
  };
}

/**
 * As `all`, for a caller that asks every few seconds: topics are decoded only when their bytes have
 * changed; otherwise they are the same array as before. With 2,000 partitions that saves most of the work.
 */
export function watchedMetadataRequest(): KafkaRequest<ClusterMetadata> {
  let last: { readonly bytes: Buffer; readonly topics: readonly TopicMetadata[] } | undefined;
  return {
    ...metadataRequest("all"),
    decode: (reader) => {
      const head = decodeHead(reader);
      const bytes = reader.raw(reader.left);
      if (last?.bytes.equals(bytes) !== true) {
        last = { bytes, topics: new ByteReader(bytes).compactArray(decodeTopic) };
      }
      return { ...head, topics: last.topics };
    },
  };
}

function encodeTopics(
  writer: ByteWriter,
  topics: readonly string[] | "all",
  version: number,
  operations: boolean,
): void {
  writer.compactArray(topics === "all" ? null : topics, (item, name) =>
    item.raw(NO_TOPIC_ID).compactString(name).noTags(),
  );
  writer.boolean(false);
  if (version <= LAST_VERSION_WITH_CLUSTER_OPERATIONS) writer.boolean(false);
  writer.boolean(operations).noTags();
}

function decodeCluster(reader: ByteReader): ClusterMetadata {
  return { ...decodeHead(reader), topics: reader.compactArray(decodeTopic) };
}

function decodeHead(reader: ByteReader): Omit<ClusterMetadata, "topics"> {
  reader.int32();
  const brokers = reader.compactArray(decodeBroker);
  const clusterId = reader.compactNullableString();
  const controllerId = reader.int32();
  return { clusterId, controllerId, brokers };
}

function decodeBroker(reader: ByteReader): BrokerNode {
  const id = reader.int32();
  const host = reader.compactString();
  const port = reader.int32();
  const rack = reader.compactNullableString();
  reader.tags();
  return { id, host, port, rack };
}

function decodeTopic(reader: ByteReader): TopicMetadata {
  const errorCode = reader.int16();
  const name = reader.compactString();
  const topicId = reader.uuid();
  const isInternal = reader.boolean();
  const partitions = reader.compactArray(decodePartition);
  const operations = reader.int32();
  reader.tags();
  return {
    ...{ name, topicId, errorCode, isInternal, partitions },
    ...(operations === OPERATIONS_NOT_ASKED ? {} : { operations }),
  };
}

const int32 = (reader: ByteReader): number => reader.int32();

function decodePartition(reader: ByteReader): PartitionMetadata {
  const errorCode = reader.int16();
  const partition = reader.int32();
  const leader = reader.int32();
  const leaderEpoch = reader.int32();
  const replicas = reader.compactArray(int32);
  const isr = reader.compactArray(int32);
  const offlineReplicas = reader.compactArray(int32);
  reader.tags();
  return { partition, leader, leaderEpoch, replicas, isr, offlineReplicas, errorCode };
}
