/** Produce (API 0, versions 3 to 7): one batch to one partition, acks=all. */

import type { ByteReader } from "./bytes.ts";
import type { KafkaRequest } from "./request.ts";

const ACKS_ALL = -1;
/** Waits at the leader for the in-sync replicas, so small periodic requests must not queue behind it. */
const LANE = "produce";

export type ProduceAnswer = { readonly errorCode: number; readonly baseOffset: number };

/** @param timeoutMs how long the leader may wait for the in-sync replicas */
export function produceRequest(
  topic: string,
  partition: number,
  batch: Buffer,
  timeoutMs: number,
): KafkaRequest<ProduceAnswer> {
  return {
    apiKey: 0,
    apiName: "Produce",
    versions: { min: 3, max: 7 },
    throttle: { at: "end", from: 6 },
    lane: LANE,
    encode: (writer) => {
      writer.nullableString(null).int16(ACKS_ALL).int32(timeoutMs);
      writer.array([topic], (topics, name) => {
        topics.string(name).array([partition], (item, id) => item.int32(id).nullableBytes(batch));
      });
    },
    decode: (reader, version) => {
      const rows = reader.array((topics) => {
        topics.string();
        return topics.array((row) => decodePartition(row, version));
      });
      const row = rows[0]?.[0];
      if (row === undefined) throw new RangeError("Produce answered without our partition");
      return row;
    },
  };
}

function decodePartition(reader: ByteReader, version: number): ProduceAnswer {
  reader.int32();
  const errorCode = reader.int16();
  const baseOffset = reader.int64();
  reader.int64();
  if (version >= 5) reader.int64();
  return { errorCode, baseOffset };
}
