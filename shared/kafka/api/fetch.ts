/**
 * Fetch (API 1, versions 4 to 11), without a fetch session, read uncommitted: somebody's hanging
 * transaction must not stop our reading.
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { KafkaRequest } from "./request.ts";

export type FetchPart = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export type FetchLimits = {
  /** How long the broker waits for the first new byte. */
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
};

export type FetchedPart = {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  /** Record batches; the last one may be incomplete. */
  readonly bytes: Buffer;
};

const NO_REPLICA = -1;
const READ_UNCOMMITTED = 0;
const NO_SESSION = 0;
const NO_SESSION_EPOCH = -1;
const ANY_EPOCH = -1;
const NO_BYTES = Buffer.alloc(0);

export function fetchRequest(
  parts: readonly FetchPart[],
  limits: FetchLimits,
  lane: string,
): KafkaRequest<readonly FetchedPart[]> {
  return {
    apiKey: 1,
    apiName: "Fetch",
    versions: { min: 4, max: 11 },
    throttle: { at: "start", from: 8 },
    lane,
    encode: (writer, version) => encode(writer, version, parts, limits),
    decode: (reader, version) => {
      reader.int32();
      if (version >= 7) reader.int16();
      if (version >= 7) reader.int32();
      return reader
        .array((topics) => {
          const topic = topics.string();
          return topics.array((part) => decodePart(part, version, topic));
        })
        .flat();
    },
  };
}

function encode(
  writer: ByteWriter,
  version: number,
  parts: readonly FetchPart[],
  limits: FetchLimits,
): void {
  writer.int32(NO_REPLICA).int32(Math.round(limits.maxWaitMs)).int32(1).int32(limits.maxBytes);
  writer.int8(READ_UNCOMMITTED);
  if (version >= 7) writer.int32(NO_SESSION).int32(NO_SESSION_EPOCH);
  writer.array(byTopic(parts), (topics, [topic, partitions]) => {
    topics.string(topic).array(partitions, (item, part) => {
      item.int32(part.partition);
      if (version >= 9) item.int32(ANY_EPOCH);
      item.int64(part.offset);
      if (version >= 5) item.int64(-1);
      item.int32(limits.partitionMaxBytes);
    });
  });
  if (version >= 7) writer.array([], () => {});
  if (version >= 11) writer.string("");
}

function decodePart(reader: ByteReader, version: number, topic: string): FetchedPart {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  reader.int64();
  if (version >= 5) reader.int64();
  reader.array((aborted) => [aborted.int64(), aborted.int64()]);
  if (version >= 11) reader.int32();
  return { topic, partition, errorCode, highWatermark, bytes: reader.nullableBytes() ?? NO_BYTES };
}

/** The broker fills the answer in the order of these partitions, until it is full. */
function byTopic(parts: readonly FetchPart[]): [string, FetchPart[]][] {
  const found = new Map<string, FetchPart[]>();
  for (const part of parts) {
    const same = found.get(part.topic) ?? [];
    same.push(part);
    found.set(part.topic, same);
  }
  return [...found];
}
