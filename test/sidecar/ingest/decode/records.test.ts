import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeRecords } from "../../../../sidecar/ingest/decode/records.ts";
import { kafkaRecord, objectRecord } from "../message.ts";

const BOUNDS = { notBeforeMs: 5000, nowMs: 9000 };

describe("decodeRecords()", () => {
  test("never lets time go back, and believes no sender's clock ahead of ours", () => {
    const one = objectRecord("u1", "Running");
    const items = decodeRecords(
      [
        kafkaRecord(one, 1, { timestampMs: 4000 }),
        kafkaRecord(one, 2, { timestampMs: 7000 }),
        kafkaRecord(one, 3, { timestampMs: 6000 }),
        kafkaRecord(one, 4, { timestampMs: 2_145_916_800_000, timestampType: "create" }),
      ],
      [],
      BOUNDS,
    );
    expect(items.map(({ atMs }) => atMs)).toEqual([5000, 7000, 7000, 9000]);
  });

  test("puts a corrupt batch in its place", () => {
    const record = objectRecord("u1", "Running");
    const corrupt = { baseOffset: 2, lastOffset: 4, detail: "bad crc" };
    const items = decodeRecords(
      [kafkaRecord(record, 1), kafkaRecord(record, 5)],
      [corrupt],
      BOUNDS,
    );
    expect(items.map(({ offset, read }) => [offset, read.ok])).toEqual([
      ...[
        [1, true],
        [2, false],
        [5, true],
      ],
    ]);
  });

  test("gives one item a record, whatever its bytes", () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 80 }).map((each) => Buffer.from(each)));
    fc.assert(
      fc.property(fc.array(fc.record({ key: bytes, value: bytes }), { maxLength: 9 }), (all) => {
        const base = objectRecord("u1", "Running");
        const records = all.map((each, offset) => kafkaRecord(base, offset, each));
        expect(decodeRecords(records, [], BOUNDS).length).toBe(all.length);
      }),
    );
  });
});
