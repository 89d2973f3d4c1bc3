/** CreateTopics (API 19, versions 2 to 4): under KRaft any broker accepts it. */

import type { KafkaRequest } from "./request.ts";

export type NewTopic = {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly config: Readonly<Record<string, string>>;
};

export type CreatedTopic = {
  readonly name: string;
  readonly errorCode: number;
  readonly message: string | null;
};

export function createTopicsRequest(
  topics: readonly NewTopic[],
  timeoutMs: number,
): KafkaRequest<readonly CreatedTopic[]> {
  return {
    apiKey: 19,
    apiName: "CreateTopics",
    versions: { min: 2, max: 4 },
    throttle: { at: "start", from: 3 },
    encode: (writer) => {
      writer.array(topics, (item, topic) => {
        item.string(topic.name).int32(topic.partitions).int16(topic.replication);
        item.array([], () => {});
        item.array(Object.entries(topic.config), (row, [name, value]) =>
          row.string(name).nullableString(value),
        );
      });
      writer.int32(timeoutMs).boolean(false);
    },
    decode: (reader) => {
      reader.int32();
      return reader.array((row) => {
        const name = row.string();
        const errorCode = row.int16();
        return { name, errorCode, message: row.nullableString() };
      });
    },
  };
}
