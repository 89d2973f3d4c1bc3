/** ListOffsets (API 2, versions 1 to 3). */

import type { KafkaRequest } from "./request.ts";

export const LATEST = -1;
export const EARLIEST = -2;

const NO_REPLICA = -1;
const READ_UNCOMMITTED = 0;

export type ListedOffset = {
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: number;
};

/**
 * For partitions of one topic, sent to their leader. Read uncommitted: a hanging transaction must not stop
 * our reading.
 */
export function listOffsetsRequest(
  topic: string,
  partitions: readonly number[],
  time: typeof LATEST | typeof EARLIEST,
): KafkaRequest<readonly ListedOffset[]> {
  return {
    apiKey: 2,
    apiName: "ListOffsets",
    versions: { min: 1, max: 3 },
    throttle: { at: "start", from: 3 },
    encode: (writer, version) => {
      writer.int32(NO_REPLICA);
      if (version >= 2) writer.int8(READ_UNCOMMITTED);
      writer.array([topic], (topics, name) => {
        topics.string(name).array(partitions, (item, id) => item.int32(id).int64(time));
      });
    },
    decode: (reader, version) => {
      if (version >= 2) reader.int32();
      const rows = reader.array((topics) => {
        topics.string();
        return topics.array((row) => {
          const partition = row.int32();
          const errorCode = row.int16();
          row.int64();
          return { partition, errorCode, offset: row.int64() };
        });
      });
      return rows.flat();
    },
  };
}
