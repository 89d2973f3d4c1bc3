/** Kafka's answers about many groups at once, as bytes. */
import type { ByteWriter } from "../../../shared/kafka/api/bytes.ts";

/** FindCoordinator, version 4, after its throttle time. */
export const coordinators = (
  writer: ByteWriter,
  rows: readonly (readonly [groupId: string, node: number, errorCode: number])[],
): ByteWriter =>
  writer
    .compactArray(rows, (row, [groupId, node, errorCode]) =>
      row
        .compactString(groupId)
        .int32(node)
        .compactString("played")
        .int32(9092)
        .int16(errorCode)
        .uvarint(0)
        .noTags(),
    )
    .noTags();

export type PlayedTopic = {
  readonly topic: string;
  /** Of partition 0; -1: none. */
  readonly offset: number;
  readonly errorCode?: number;
};

/** OffsetFetch, version 8, after its throttle time. */
export const groupOffsets = (
  writer: ByteWriter,
  groups: readonly (readonly [
    groupId: string,
    errorCode: number,
    topics: readonly PlayedTopic[],
  ])[],
): ByteWriter =>
  writer
    .compactArray(groups, (group, [groupId, groupCode, topics]) =>
      group
        .compactString(groupId)
        .compactArray(topics, (item, { topic, offset, errorCode = 0 }) =>
          item
            .compactString(topic)
            .compactArray([offset], (row, at) =>
              row.int32(0).int64(at).int32(-1).uvarint(0).int16(errorCode).noTags(),
            )
            .noTags(),
        )
        .int16(groupCode)
        .noTags(),
    )
    .noTags();
