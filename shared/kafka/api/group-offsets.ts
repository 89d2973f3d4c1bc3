/** Committed offsets of a whole group: read for all its topics, and written while it has no member. */
import type { KafkaRequest } from "./request.ts";

export type PartitionOffset = {
  readonly partition: number;
  readonly offset: number;
  /** What was committed beside the offset; left out where that is nothing. */
  readonly note?: string;
};
export type TopicOffsets = {
  readonly topic: string;
  readonly partitions: readonly PartitionOffset[];
};

const ALL_TOPICS = -1;

/**
 * OffsetFetch (API 9, versions 3 to 5). The broker silently leaves out topics that we may not describe.
 * `errorCode` is the group's, else the first of any partition, else 0.
 */
export function allOffsetsRequest(
  groupId: string,
): KafkaRequest<{ readonly errorCode: number; readonly topics: readonly TopicOffsets[] }> {
  return {
    apiKey: 9,
    apiName: "OffsetFetch",
    versions: { min: 3, max: 5 },
    throttle: { at: "start", from: 4 },
    encode: (writer) => {
      writer.string(groupId).int32(ALL_TOPICS);
    },
    decode: (reader, version) => {
      reader.int32();
      const codes: number[] = [];
      const topics = reader.array((rows) => {
        const topic = rows.string();
        const partitions = rows.array((row) => {
          const partition = row.int32();
          const offset = row.int64();
          if (version >= 5) row.int32();
          const note = row.nullableString() ?? "";
          codes.push(row.int16());
          return { partition, offset, ...(note === "" ? {} : { note }) };
        });
        return { topic, partitions: partitions.filter(({ offset }) => offset >= 0) };
      });
      const errorCode = [reader.int16(), ...codes].find((code) => code !== 0) ?? 0;
      return { errorCode, topics };
    },
  };
}

/** A commit outside of any generation: accepted only while the group has no member. */
const NO_GENERATION = -1;
const NO_MEMBER = "";

/** OffsetCommit (API 8, version 6). `errorCode` is the first of any partition, else 0. */
export function commitOffsetsRequest(
  groupId: string,
  topics: readonly TopicOffsets[],
): KafkaRequest<{ readonly errorCode: number }> {
  return {
    apiKey: 8,
    apiName: "OffsetCommit",
    versions: { min: 6, max: 6 },
    throttle: { at: "start", from: 4 },
    encode: (writer) => {
      writer.string(groupId).int32(NO_GENERATION).string(NO_MEMBER);
      writer.array(topics, (item, { topic, partitions }) => {
        item.string(topic);
        item.array(partitions, (row, { partition, offset, note = null }) =>
          row.int32(partition).int64(offset).int32(-1).nullableString(note),
        );
      });
    },
    decode: (reader) => {
      reader.int32();
      const codes = reader.array((rows) => {
        rows.string();
        return rows.array((row) => {
          row.int32();
          return row.int16();
        });
      });
      return { errorCode: codes.flat().find((code) => code !== 0) ?? 0 };
    },
  };
}
