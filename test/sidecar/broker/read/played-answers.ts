/** What a played broker answers. */
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";

const int = (writer: ByteWriter, value: number) => writer.int32(value);

/** To Metadata 12: one broker, one topic with one partition. */
export const playedMetadata = (): ByteWriter => clusterMetadata("cluster", "b", 9092);

/** The same of a cluster with this id, and of a broker at this address. */
export const clusterMetadata = (clusterId: string, host: string, port: number): ByteWriter =>
  new ByteWriter()
    .noTags()
    .int32(0)
    .compactArray([0], (row, id) =>
      row.int32(id).compactString(host).int32(port).uvarint(0).noTags(),
    )
    .compactString(clusterId)
    .int32(0)
    .compactArray(["orders"], (topic, name) =>
      topic
        .int16(0)
        .compactString(name)
        .raw(Buffer.alloc(16, 7))
        .boolean(false)
        .compactArray([0], (row, number) =>
          row
            .int16(0)
            .int32(number)
            .int32(0)
            .int32(5)
            .compactArray([0], int)
            .compactArray([0], int)
            .compactArray([], int)
            .noTags(),
        )
        .int32(-(2 ** 31))
        .noTags(),
    )
    .noTags();

const REFUSED = 29;

/** To DescribeConfigs 1 to 3: every topic has `min.insync.replicas` 2, but for those that are refused. */
export const playedConfigs = (
  topics: readonly string[],
  refused: ReadonlySet<string> = new Set(),
): ByteWriter =>
  new ByteWriter().int32(0).array(topics, (row, name) =>
    row
      .int16(refused.has(name) ? REFUSED : 0)
      .nullableString(null)
      .int8(2)
      .string(name)
      .array(refused.has(name) ? [] : ["min.insync.replicas"], (entry, key) =>
        entry
          .string(key)
          .nullableString("2")
          .boolean(false)
          .int8(5)
          .boolean(false)
          .array([], () => {})
          .int8(3)
          .nullableString(null),
      ),
  );
