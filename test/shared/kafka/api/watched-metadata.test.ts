/** Metadata that is asked for again and again: what has not changed is not decoded again. */
import { expect, test } from "bun:test";
import { ByteReader, ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { metadataRequest, watchedMetadataRequest } from "../../../../shared/kafka/api/metadata.ts";

/** Version 12, two brokers, one topic with one partition. */
function answer(controllerId: number, isr: readonly number[]): Buffer {
  const int = (writer: ByteWriter, value: number) => writer.int32(value);
  return new ByteWriter()
    .int32(0)
    .compactArray([0, 1], (row, id) =>
      row.int32(id).compactString(`b${id}`).int32(9092).uvarint(0).noTags(),
    )
    .compactString("cluster")
    .int32(controllerId)
    .compactArray(["t"], (topic, name) =>
      topic
        .int16(0)
        .compactString(name)
        .raw(Buffer.alloc(16, 7))
        .boolean(false)
        .compactArray([0], (row, partition) =>
          row
            .int16(0)
            .int32(partition)
            .int32(0)
            .int32(5)
            .compactArray([0, 1], int)
            .compactArray(isr, int)
            .compactArray([], int)
            .noTags(),
        )
        .int32(-(2 ** 31))
        .noTags(),
    )
    .noTags()
    .bytes();
}

test("watchedMetadataRequest() gives the same topics while only the controller differs", () => {
  const request = watchedMetadataRequest();
  const read = (bytes: Buffer) => request.decode(new ByteReader(bytes), 12);
  const first = read(answer(0, [0, 1]));
  expect(first).toEqual(metadataRequest("all").decode(new ByteReader(answer(0, [0, 1])), 12));
  const second = read(answer(1, [0, 1]));
  expect(second.topics).toBe(first.topics);
  expect(second.controllerId).toBe(1);
  const third = read(answer(1, [0]));
  expect(third.topics).not.toBe(first.topics);
  expect(third.topics[0]?.partitions[0]?.isr).toEqual([0]);
});
