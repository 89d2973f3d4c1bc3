/** Encodes records as one batch of format 2: appended as a whole, or not at all. */

import { ByteWriter } from "../api/bytes.ts";
import { crc32c } from "./crc32c.ts";
import type { OutRecord } from "./record.ts";

const MAGIC = 2;
const HEADER_BYTES = 61;
const LENGTH_FROM = 12;
const CRC_FROM = 21;
const NO_PRODUCER = -1;

/** One record as encoded in a batch, with its position in it. */
export function encodeRecord(record: OutRecord, offsetDelta: number): Buffer {
  const body = new ByteWriter();
  body.int8(0).varint(0).varint(offsetDelta);
  writeField(body, record.key);
  writeField(body, record.value);
  const headers = Object.entries(record.headers ?? {});
  body.varint(headers.length);
  for (const [name, value] of headers) {
    writeField(body, name);
    writeField(body, value);
  }
  return new ByteWriter(body.size + 5).varint(body.size).raw(body.bytes()).bytes();
}

/** @param records as `encodeRecord` made them, deltas 0, 1, 2… */
export function encodeBatch(records: readonly Buffer[], timestampMs: number): Buffer {
  const size = records.reduce((sum, record) => sum + record.length, HEADER_BYTES);
  const writer = new ByteWriter(size);
  writer
    .int64(0)
    .int32(size - LENGTH_FROM)
    .int32(-1)
    .int8(MAGIC)
    .uint32(0);
  writer
    .int16(0)
    .int32(records.length - 1)
    .int64(timestampMs)
    .int64(timestampMs);
  writer.int64(NO_PRODUCER).int16(NO_PRODUCER).int32(NO_PRODUCER).int32(records.length);
  for (const record of records) writer.raw(record);
  const bytes = writer.bytes();
  bytes.writeUInt32BE(crc32c(bytes.subarray(CRC_FROM)), CRC_FROM - 4);
  return bytes;
}

function writeField(writer: ByteWriter, field: string | Buffer | null): void {
  if (field === null) {
    writer.varint(-1);
    return;
  }
  const bytes = typeof field === "string" ? Buffer.from(field) : field;
  writer.varint(bytes.length).raw(bytes);
}
