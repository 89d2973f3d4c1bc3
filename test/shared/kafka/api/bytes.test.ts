import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../../../../shared/kafka/api/bytes.ts";

const field = fc.oneof(
  fc.record({ kind: fc.constant("int8" as const), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({
    kind: fc.constant("int16" as const),
    value: fc.integer({ min: -32768, max: 32767 }),
  }),
  fc.record({ kind: fc.constant("int32" as const), value: fc.integer() }),
  fc.record({ kind: fc.constant("int64" as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant("uvarint" as const), value: fc.nat() }),
);

describe("ByteWriter", () => {
  test("writes what ByteReader reads, wherever its buffer has to grow", () => {
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 64 }),
        fc.integer({ min: 1, max: 16 }),
        (fields, size) => {
          const writer = new ByteWriter(size);
          for (const { kind, value } of fields) writer[kind](value);
          const reader = new ByteReader(writer.bytes());
          expect(fields.map(({ kind }) => reader[kind]())).toEqual(
            fields.map(({ value }) => value),
          );
        },
      ),
    );
  });
});
