/** Coordinators and committed offsets of many groups, each in one request (KIP-699, KIP-709: Kafka 3.0). */
import type { ByteReader } from "./bytes.ts";
import type { TopicOffsets } from "./group-offsets.ts";
import type { KafkaRequest } from "./request.ts";

export type Coordinator = {
  readonly groupId: string;
  readonly errorCode: number;
  readonly node: number;
};

const GROUP_KEY_TYPE = 0;

/** FindCoordinator (API 10, version 4). */
export function coordinatorsRequest(
  groupIds: readonly string[],
): KafkaRequest<readonly Coordinator[]> {
  return {
    apiKey: 10,
    apiName: "FindCoordinator",
    versions: { min: 4, max: 4 },
    flexibleFrom: 3,
    throttle: { at: "start", from: 1 },
    encode: (writer) =>
      writer
        .int8(GROUP_KEY_TYPE)
        .compactArray(groupIds, (item, id) => item.compactString(id))
        .noTags(),
    decode: (reader) => {
      reader.int32();
      return reader.compactArray((row) => {
        const groupId = row.compactString();
        const node = row.int32();
        row.compactString();
        row.int32();
        const errorCode = row.int16();
        row.compactNullableString();
        row.tags();
        return { groupId, errorCode, node };
      });
    },
  };
}

export type CommittedOfGroup = {
  readonly groupId: string;
  /** The group's, else the first of any partition, else 0. */
  readonly errorCode: number;
  readonly topics: readonly TopicOffsets[];
};

/**
 * OffsetFetch (API 9, version 8), all topics of each group, also those whose transaction is not over yet.
 * Topics that we may not describe are left out by the broker, unsaid.
 */
export function groupsOffsetsRequest(
  groupIds: readonly string[],
): KafkaRequest<readonly CommittedOfGroup[]> {
  return {
    apiKey: 9,
    apiName: "OffsetFetch",
    versions: { min: 8, max: 8 },
    flexibleFrom: 6,
    throttle: { at: "start", from: 4 },
    encode: (writer) =>
      writer
        .compactArray(groupIds, (item, id) =>
          item.compactString(id).compactArray(null, noTopic).noTags(),
        )
        .boolean(false)
        .noTags(),
    decode: (reader) => {
      reader.int32();
      return reader.compactArray(decodeGroup);
    },
  };
}

const noTopic = (): void => undefined;

function decodeGroup(reader: ByteReader): CommittedOfGroup {
  const groupId = reader.compactString();
  const codes: number[] = [];
  const topics = reader.compactArray((rows) => {
    const topic = rows.compactString();
    const partitions = rows.compactArray((row) => {
      const partition = row.int32();
      const offset = row.int64();
      row.int32();
      row.compactNullableString();
      codes.push(row.int16());
      row.tags();
      return { partition, offset };
    });
    rows.tags();
    return { topic, partitions: partitions.filter(({ offset }) => offset >= 0) };
  });
  const errorCode = [reader.int16(), ...codes].find((code) => code !== 0) ?? 0;
  reader.tags();
  return { groupId, errorCode, topics };
}
