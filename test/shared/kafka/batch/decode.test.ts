import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decompress } from "../../../../shared/kafka/batch/codec.ts";
import { crc32c } from "../../../../shared/kafka/batch/crc32c.ts";
import { decodeBatches } from "../../../../shared/kafka/batch/decode.ts";
import { encodeBatch, encodeRecord } from "../../../../shared/kafka/batch/encode.ts";
import type { KafkaRecord, OutRecord } from "../../../../shared/kafka/batch/record.ts";
import { murmur2, partitionFor } from "../../../../shared/kafka/producer/partitioner.ts";
/** Made by Kafka's own Java classes: `MemoryRecords.withRecords` at offset 42, and `Utils.murmur2`. */
import golden from "./java-golden.json" with { type: "json" };

const BATCHES = Object.entries(golden.batches).map(
  ([codec, text]) => [codec, Buffer.from(text, "base64")] as const,
);
const ATTRIBUTES_AT = 22;
const NO_CRC = { checkCrc: false } as const;

function plain(record: KafkaRecord) {
  return {
    offset: record.offset,
    timestampMs: record.timestampMs,
    timestampType: record.timestampType,
    key: record.key?.toString() ?? null,
    value: record.value?.toString() ?? null,
    headers: record.headers(),
  };
}

const UMLAUTS = Object.fromEntries([
  ["h", "x"],
  ["ü", "ö"],
]);
const JAVA = [
  { offset: 42, at: 0, key: "k1", value: "v1", headers: UMLAUTS },
  { offset: 43, at: 5, key: "k2", value: null, headers: {} },
  { offset: 44, at: 4, key: "k3", value: "", headers: {} },
  { offset: 45, at: 100_000, key: null, value: "abc".repeat(200), headers: {} },
].map(({ at, ...record }) => ({
  ...record,
  timestampMs: 1_700_000_000_000 + at,
  timestampType: "create" as const,
}));

function batchOf(records: readonly OutRecord[], baseOffset: number): Buffer {
  const bytes = encodeBatch(records.map(encodeRecord), 1_700_000_000_000);
  bytes.writeBigInt64BE(BigInt(baseOffset));
  return bytes;
}

describe("decodeBatches()", () => {
  test.each(BATCHES)("reads a batch of Java's with codec %s", (_codec, bytes) => {
    const { records, corrupt, nextOffset } = decodeBatches(bytes, 42);
    expect(corrupt).toEqual([]);
    expect(records.map(plain)).toEqual(JAVA);
    expect(nextOffset).toBe(46);
  });

  test("leaves out what lies before the offset asked for", () => {
    const [, bytes] = BATCHES[0] ?? ["", Buffer.alloc(0)];
    expect(decodeBatches(bytes, 44).records.map(({ offset }) => offset)).toEqual([44, 45]);
  });

  test("takes the batch's time when the broker's clock counts", () => {
    const bytes = batchOf([{ key: "a", value: "b" }], 0);
    bytes.writeInt16BE(0x08, 21);
    bytes.writeBigInt64BE(99n, 35);
    const record = decodeBatches(bytes, 0, NO_CRC).records[0];
    expect([record?.timestampMs, record?.timestampType]).toEqual([99, "append"]);
  });

  test("skips a control batch, and moves on", () => {
    const bytes = batchOf([{ key: "a", value: "b" }], 7);
    bytes.writeInt16BE(0x20, 21);
    expect(decodeBatches(bytes, 7, NO_CRC)).toEqual({
      records: [],
      corrupt: [],
      nextOffset: 8,
      stalled: undefined,
    });
  });

  test("leaves a cut batch for the next fetch", () => {
    const whole = batchOf([{ key: "a", value: "b" }], 0);
    const bytes = Buffer.concat([whole, batchOf([{ key: "c", value: "d" }], 1).subarray(0, 40)]);
    const { records, corrupt, nextOffset } = decodeBatches(bytes, 0);
    expect([records.length, corrupt.length, nextOffset]).toEqual([1, 0, 1]);
  });

  const broken: readonly (readonly [string, (bytes: Buffer) => void])[] = [
    ["an unknown codec", (bytes) => bytes.writeInt8(7, ATTRIBUTES_AT)],
    ["bytes that are not of their codec", (bytes) => bytes.writeInt8(4, ATTRIBUTES_AT)],
    ["an old format", (bytes) => bytes.writeInt8(1, 16)],
    ["records that end early", (bytes) => bytes.writeInt32BE(9, 57)],
    ["a record length that lies", (bytes) => bytes.writeInt8(0x7e, 61)],
  ];
  test.each(broken)("reports %s as corrupt and reads the rest", (_what, damage) => {
    const bad = batchOf([{ key: "a", value: "b" }], 0);
    damage(bad);
    const bytes = Buffer.concat([bad, batchOf([{ key: "c", value: "d" }], 1)]);
    const { records, corrupt, nextOffset } = decodeBatches(bytes, 0, NO_CRC);
    expect(records.map(plain).map(({ key }) => key)).toEqual(["c"]);
    expect(corrupt).toEqual([{ baseOffset: 0, lastOffset: 0, detail: expect.any(String) }]);
    expect(nextOffset).toBe(2);
  });

  test("finds a wrong checksum unless told not to look", () => {
    const bytes = batchOf([{ key: "a", value: "b" }], 0);
    bytes.writeUInt8(0x63, bytes.length - 2);
    expect(decodeBatches(bytes, 0, NO_CRC).corrupt).toEqual([]);
    expect(decodeBatches(bytes, 0).corrupt.length).toBe(1);
  });

  test("never moves past an offset that it was not sent, and says so", () => {
    const decoded = decodeBatches(batchOf([{ key: "a", value: "b" }], 3), 10);
    expect([decoded.records, decoded.corrupt, decoded.nextOffset]).toEqual([[], [], 10]);
    expect(decoded.stalled).toContain("before the offset");
  });

  test("does not believe the last offset of a batch that failed its checksum", () => {
    const lying = batchOf([{ key: "a", value: "b" }], 0);
    lying.writeInt32BE(1_000_000, 23);
    const sound = batchOf([{ key: "c", value: "d" }], 5);
    const both = decodeBatches(Buffer.concat([lying, sound]), 0);
    expect(both.records.map(({ offset }) => offset)).toEqual([5]);
    expect(both.corrupt.map(({ lastOffset }) => lastOffset)).toEqual([4]);
    expect(both.nextOffset).toBe(6);
    const alone = decodeBatches(Buffer.concat([lying, sound.subarray(0, 30)]), 0);
    expect([alone.corrupt.length, alone.nextOffset]).toEqual([1, 1]);
    expect(decodeBatches(lying, 1).nextOffset).toBe(2);
  });

  test("stops where the answer would grow beyond its budget, and reads on from there", () => {
    const [, gzip] = BATCHES.find(([codec]) => codec === "gzip") ?? ["", Buffer.alloc(0)];
    const second = Buffer.from(gzip);
    second.writeBigInt64BE(46n);
    const bytes = Buffer.concat([gzip, second]);
    const plainBytesMax = 1000;
    const first = decodeBatches(bytes, 42, { plainBytesMax });
    expect([first.records.length, first.corrupt, first.nextOffset]).toEqual([4, [], 46]);
    const rest = decodeBatches(second, 46, { plainBytesMax });
    expect([rest.records.length, rest.corrupt, rest.nextOffset]).toEqual([4, [], 50]);
    expect(decodeBatches(bytes, 42).nextOffset).toBe(50);
    expect(decodeBatches(gzip, 42, { plainBytesMax: 10 }).corrupt.length).toBe(1);
  });

  test("never throws and never stands still, whatever the bytes", () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .tuple(
          fc.constantFrom(...BATCHES.map(([, bytes]) => bytes)),
          fc.array(fc.tuple(fc.nat(1000), fc.nat(255)), { maxLength: 6 }),
        )
        .map(([bytes, changes]) => {
          const copy = Buffer.from(bytes);
          for (const [at, byte] of changes) copy[at % copy.length] = byte;
          return copy;
        }),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        const { records, corrupt, nextOffset } = decodeBatches(Buffer.from(bytes), 10, NO_CRC);
        for (const record of records) record.headers();
        expect(nextOffset).toBeGreaterThanOrEqual(10);
        if (records.length + corrupt.length > 0) expect(nextOffset).toBeGreaterThan(10);
      }),
      { numRuns: 3000 },
    );
  });

  test("reads back what encodeBatch() wrote", () => {
    const field = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)));
    const record = fc.record({
      key: field,
      value: field,
      headers: fc.dictionary(fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }), {
        noNullPrototype: true,
      }),
    });
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 200 }), (records) => {
        const decoded = decodeBatches(batchOf(records, 5), 0);
        expect(decoded.corrupt).toEqual([]);
        expect(
          decoded.records.map(({ key, value, headers }) => ({ key, value, headers: headers() })),
        ).toEqual(records);
      }),
    );
  });
});

describe("decompress()", () => {
  const payloads = BATCHES.filter(([codec]) => codec !== "none").map(
    ([codec, bytes]) => [codec, bytes.readInt8(ATTRIBUTES_AT) & 7, bytes.subarray(61)] as const,
  );
  const size = BATCHES[0]?.[1].subarray(61).length ?? 0;

  test.each(payloads)(
    "takes %s that grows up to the bound, and nothing beyond",
    (_name, codec, bytes) => {
      expect(decompress(codec, bytes, size).ok).toBe(true);
      expect(decompress(codec, bytes, size - 1).ok).toBe(false);
    },
  );

  test("reads raw snappy, as librdkafka writes it", () => {
    // Length 5, one literal of 5 bytes.
    expect(decompress(2, Buffer.from([5, 16, 104, 101, 108, 108, 111]))).toEqual({
      ok: true,
      value: Buffer.from("hello"),
    });
  });

  test("reads an lz4 frame with content size, block checksums and a stored block", () => {
    const head = [0x04, 0x22, 0x4d, 0x18, 0x78, 0x40, 5, 0, 0, 0, 0, 0, 0, 0, 0];
    const block = [5, 0, 0, 0x80, 104, 101, 108, 108, 111, 1, 2, 3, 4];
    const frame = Buffer.from([...head, ...block, 0, 0, 0, 0]);
    expect(decompress(3, frame)).toEqual({ ok: true, value: Buffer.from("hello") });
  });
});

describe("crc32c()", () => {
  test("agrees with RFC 3720, B.4", () => {
    expect(crc32c(Buffer.alloc(32)).toString(16)).toBe("8a9136aa");
    expect(crc32c(Buffer.alloc(32, 0xff)).toString(16)).toBe("62a8ab43");
    expect(crc32c(Buffer.from("123456789")).toString(16)).toBe("e3069283");
  });
});

describe("partitionFor()", () => {
  test.each(Object.entries(golden.murmur2))("hashes %p as Java does", (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash);
    expect(partitionFor(key, 6)).toBe((hash & 0x7fff_ffff) % 6);
  });
});
