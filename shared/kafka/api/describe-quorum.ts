/**
 * DescribeQuorum (API 55, versions 0 to 2: KIP-595, KIP-836, KIP-853) of `__cluster_metadata`. A broker
 * forwards it to the active controller; a controller answers only while it leads.
 */

import type { ByteReader } from "./bytes.ts";
import type { KafkaRequest } from "./request.ts";

/** Timestamps are the quorum leader's, Unix ms; -1: unknown, or the leader's own. */
export type QuorumReplica = {
  readonly id: number;
  /** -1: unknown. */
  readonly logEndOffset: number;
  readonly lastFetchAtMs: number;
  readonly lastCaughtUpAtMs: number;
};

export type Quorum = {
  /** -1: none. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  readonly voters: readonly QuorumReplica[];
  readonly observers: readonly QuorumReplica[];
};

export type DescribedQuorum = {
  /** Of the answer. From 2 on (Kafka 3.9) a leader without a majority says so itself. */
  readonly version: number;
  /** 0, or such as 6 NOT_LEADER_OR_FOLLOWER, 31 CLUSTER_AUTHORIZATION_FAILED: then `quorum` is meaningless. */
  readonly errorCode: number;
  readonly message: string | null;
  readonly quorum: Quorum;
};

const METADATA_TOPIC = "__cluster_metadata";
const METADATA_PARTITION = 0;
const TIMES_FROM = 1;
const NODES_FROM = 2;

const NO_QUORUM: Quorum = {
  leaderId: -1,
  leaderEpoch: -1,
  highWatermark: -1,
  voters: [],
  observers: [],
};

/** Needs DESCRIBE on the cluster. */
export function quorumRequest(): KafkaRequest<DescribedQuorum> {
  return {
    apiKey: 55,
    apiName: "DescribeQuorum",
    versions: { min: 0, max: 2 },
    flexibleFrom: 0,
    throttle: "none",
    encode: (writer) => {
      writer.compactArray([METADATA_TOPIC], (topic, name) =>
        topic
          .compactString(name)
          .compactArray([METADATA_PARTITION], (row, partition) => row.int32(partition).noTags())
          .noTags(),
      );
      writer.noTags();
    },
    decode: decodeQuorum,
  };
}

function decodeQuorum(reader: ByteReader, version: number): DescribedQuorum {
  const errorCode = reader.int16();
  const message = version >= NODES_FROM ? reader.compactNullableString() : null;
  const [partition] = reader
    .compactArray((topic) => {
      topic.compactString();
      const partitions = topic.compactArray((row) => decodePartition(row, version));
      topic.tags();
      return partitions;
    })
    .flat();
  if (errorCode !== 0 || partition === undefined)
    return { version, errorCode, message, quorum: NO_QUORUM };
  return partition;
}

function decodePartition(reader: ByteReader, version: number): DescribedQuorum {
  reader.int32();
  const errorCode = reader.int16();
  const message = version >= NODES_FROM ? reader.compactNullableString() : null;
  const leaderId = reader.int32();
  const leaderEpoch = reader.int32();
  const highWatermark = reader.int64();
  const voters = reader.compactArray((row) => decodeReplica(row, version));
  const observers = reader.compactArray((row) => decodeReplica(row, version));
  reader.tags();
  if (errorCode !== 0) return { version, errorCode, message, quorum: NO_QUORUM };
  return {
    version,
    errorCode,
    message,
    quorum: { leaderId, leaderEpoch, highWatermark, voters, observers },
  };
}

function decodeReplica(reader: ByteReader, version: number): QuorumReplica {
  const id = reader.int32();
  if (version >= NODES_FROM) reader.uuid();
  const logEndOffset = reader.int64();
  const lastFetchAtMs = version >= TIMES_FROM ? reader.int64() : -1;
  const lastCaughtUpAtMs = version >= TIMES_FROM ? reader.int64() : -1;
  reader.tags();
  return { id, logEndOffset, lastFetchAtMs, lastCaughtUpAtMs };
}
