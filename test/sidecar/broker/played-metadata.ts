/** A played broker's answer to Metadata 12. */
import { ByteWriter } from "../../../shared/kafka/bytes.ts";

const int = (writer: ByteWriter, value: number) => writer.int32(value);

/** One broker, one topic with one partition. */
export const playedMetadata = (): ByteWriter =>
  new ByteWriter()
    .noTags()
    .int32(0)
    .compactArray([0], (row, id) =>
      row.int32(id).compactString("b").int32(9092).uvarint(0).noTags(),
    )
    .compactString("cluster")
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
