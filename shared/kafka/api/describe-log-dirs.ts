/**
 * DescribeLogDirs (API 35, versions 1 to 4): the log directories of the broker that is asked, and what is
 * in them. The answer has a row for each replica and comes every few seconds, so it is summed while it is
 * decoded.
 */

import { kafkaCode } from "../error-code.ts";
import type { ByteReader } from "./bytes.ts";
import type { KafkaRequest } from "./request.ts";

/** A replica that is being moved into a directory (KIP-113): normal work. */
export type FutureReplica = {
  readonly topic: string;
  readonly partition: number;
  readonly sizeBytes: number;
  /** How many records it still lacks. */
  readonly offsetLag: number;
};

export type LogDir = {
  readonly path: string;
  /** 0, or 56 KAFKA_STORAGE_ERROR for an offline directory. */
  readonly errorCode: number;
  /** Size of its volume. -1: the broker does not report it (before Kafka 3.3, KIP-827). */
  readonly totalBytes: number;
  readonly usableBytes: number;
  /** Size of all replicas in it. */
  readonly sizeBytes: number;
  readonly replicas: number;
  /** How many replicas each topic has in it, without those that are being moved in. */
  readonly topics: ReadonlyMap<string, number>;
  readonly future: readonly FutureReplica[];
};

export type LogDirs = {
  /** 0, or such as 31 CLUSTER_AUTHORIZATION_FAILED, which leaves the list empty. */
  readonly errorCode: number;
  readonly dirs: readonly LogDir[];
};

const FLEXIBLE_FROM = 2;
const ERROR_FROM = 3;
const VOLUME_FROM = 4;

/** `all`: with every replica. `none`: only the directories. Needs DESCRIBE on the cluster. */
export function logDirsRequest(replicas: "all" | "none"): KafkaRequest<LogDirs> {
  return {
    apiKey: 35,
    apiName: "DescribeLogDirs",
    versions: { min: 1, max: 4 },
    flexibleFrom: FLEXIBLE_FROM,
    throttle: { at: "start", from: 1 },
    encode: (writer, version) => {
      if (version >= FLEXIBLE_FROM) writer.uvarint(replicas === "all" ? 0 : 1).noTags();
      else writer.int32(replicas === "all" ? -1 : 0);
    },
    decode: decodeLogDirs,
  };
}

/** Before version 3 the only sign that a broker refuses us is an empty list. */
function decodeLogDirs(reader: ByteReader, version: number): LogDirs {
  reader.int32();
  const errorCode = version >= ERROR_FROM ? reader.int16() : 0;
  const dirs = decodeArray(reader, version, () => decodeDir(reader, version));
  const refused = version < ERROR_FROM && dirs.length === 0;
  return { errorCode: refused ? kafkaCode("CLUSTER_AUTHORIZATION_FAILED") : errorCode, dirs };
}

type Sum = {
  sizeBytes: number;
  replicas: number;
  readonly topics: Map<string, number>;
  readonly future: FutureReplica[];
};

function decodeDir(reader: ByteReader, version: number): LogDir {
  const errorCode = reader.int16();
  const path = decodeText(reader, version).toString("utf8");
  const sum: Sum = { sizeBytes: 0, replicas: 0, topics: new Map(), future: [] };
  decodeArray(reader, version, () => sumTopic(reader, version, sum));
  const hasVolume = version >= VOLUME_FROM;
  const totalBytes = hasVolume ? reader.int64() : -1;
  const usableBytes = hasVolume ? reader.int64() : -1;
  if (version >= FLEXIBLE_FROM) reader.tags();
  return { path, errorCode, totalBytes, usableBytes, ...sum };
}

function sumTopic(reader: ByteReader, version: number, sum: Sum): void {
  const name = decodeText(reader, version).toString("utf8");
  let settled = 0;
  decodeArray(reader, version, () => {
    const partition = reader.int32();
    const sizeBytes = reader.int64();
    const offsetLag = reader.int64();
    const isFuture = reader.boolean();
    if (version >= FLEXIBLE_FROM) reader.tags();
    sum.sizeBytes += sizeBytes;
    sum.replicas += 1;
    if (isFuture) sum.future.push({ topic: name, partition, sizeBytes, offsetLag });
    else settled += 1;
  });
  if (settled > 0) sum.topics.set(name, settled);
  if (version >= FLEXIBLE_FROM) reader.tags();
}

function decodeArray<T>(reader: ByteReader, version: number, item: () => T): T[] {
  return version >= FLEXIBLE_FROM ? reader.compactArray(item) : reader.array(item);
}

function decodeText(reader: ByteReader, version: number): Buffer {
  const length = version >= FLEXIBLE_FROM ? reader.uvarint() - 1 : reader.int16();
  return reader.raw(Math.max(0, length));
}
