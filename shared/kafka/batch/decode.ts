/**
 * Decodes what a Fetch returns for a partition: record batches of format 2 (https://kafka.apache.org/documentation/#recordbatch).
 *
 * Invariants: never throws, whatever the bytes; a batch that cannot be decoded becomes an entry of `corrupt` and stops nothing; `nextOffset`
 * moves beyond what was read or was found unreadable, never beyond what was not seen. Keys and values are slices of the fetched bytes: copy
 * what you keep long.
 */

import { err, ok, type Result } from "../../result.ts";
import { DECOMPRESSED_BYTES_MAX, decompress } from "./codec.ts";
import { crc32c } from "./crc32c.ts";
import { RecordCursor } from "./cursor.ts";
import type { CorruptBatch, KafkaRecord } from "./record.ts";

/** Base offset and batch length: even an unknown format begins with these. */
const PREFIX_BYTES = 12;
const MAGIC_AT = 16;
const HEADER_BYTES = 61;
const CRC_FROM = 21;
const MAGIC = 2;
const CODEC_MASK = 0x07;
const APPEND_TIME_FLAG = 0x08;
const CONTROL_FLAG = 0x20;
const HIGH = 0x1_0000_0000;

export type Decoded = {
  readonly records: readonly KafkaRecord[];
  readonly corrupt: readonly CorruptBatch[];
  readonly nextOffset: number;
  /** Batches came, but none of them reaches the offset that was asked for, so ask again. */
  readonly stalled: string | undefined;
};

export type DecodeOptions = {
  /** On by default, as in Java; it costs a third of the decoder's speed. */
  readonly checkCrc?: boolean;
  /** Limit on the decompressed size of all batches of one answer together; a single batch may use all of it. */
  readonly plainBytesMax?: number;
};

type Walk = {
  readonly bytes: Buffer;
  readonly fromOffset: number;
  readonly checkCrc: boolean;
  readonly plainBytesMax: number;
  readonly records: KafkaRecord[];
  readonly corrupt: CorruptBatch[];
  nextOffset: number;
  plainBytesLeft: number;
};

type Frame = { readonly baseOffset: number; readonly end: number; readonly batch: Buffer };

/** @param fromOffset the offset that was asked for; a batch may begin before it */
export function decodeBatches(
  bytes: Buffer,
  fromOffset: number,
  options: DecodeOptions = {},
): Decoded {
  const plainBytesMax = options.plainBytesMax ?? DECOMPRESSED_BYTES_MAX;
  const walk: Walk = {
    bytes,
    fromOffset,
    checkCrc: options.checkCrc !== false,
    plainBytesMax,
    records: [],
    corrupt: [],
    nextOffset: fromOffset,
    plainBytesLeft: plainBytesMax,
  };
  let whole = false;
  for (let at = 0; ; whole = true) {
    const end = takeBatch(walk, at);
    if (end === undefined) break;
    at = end;
  }
  const { records, corrupt, nextOffset } = walk;
  const stalled =
    whole && nextOffset === fromOffset
      ? "the broker sent only batches before the offset asked for"
      : undefined;
  return { records, corrupt, nextOffset, stalled };
}

/** @returns where the next batch begins; undefined when no more of this answer can be read */
function takeBatch(walk: Walk, at: number): number | undefined {
  const frame = frameAt(walk.bytes, at);
  if (frame === "cut") return undefined;
  if (frame === "malformed") {
    skip(walk, int64(walk.bytes, at), undefined, "the batch length is malformed");
    return undefined;
  }
  const fault = faultOf(frame.batch, walk.checkCrc);
  if (fault !== undefined) return skipFaulty(walk, frame, fault);
  const { baseOffset, batch, end } = frame;
  const lastOffset = baseOffset + Math.max(0, batch.readInt32BE(23));
  if (lastOffset < walk.nextOffset) return end;
  const count = walk.records.length;
  const read = decodeBatch(batch, { baseOffset, lastOffset }, walk);
  if (read.ok) {
    walk.nextOffset = lastOffset + 1;
    return end;
  }
  walk.records.length = count;
  // Perhaps only because earlier batches used up the budget: the next fetch begins here, with all of it.
  if (walk.nextOffset > walk.fromOffset && walk.plainBytesLeft < walk.plainBytesMax)
    return undefined;
  skip(walk, baseOffset, lastOffset, read.error);
  return end;
}

function frameAt(bytes: Buffer, at: number): Frame | "cut" | "malformed" {
  if (at + PREFIX_BYTES > bytes.length) return "cut";
  const end = at + PREFIX_BYTES + bytes.readInt32BE(at + 8);
  if (end <= at + MAGIC_AT) return "malformed";
  // The broker cuts the last batch at the fetch's size: the next fetch returns it whole.
  if (end > bytes.length) return "cut";
  return { baseOffset: int64(bytes, at), end, batch: bytes.subarray(at, end) };
}

/** Why the batch's header cannot be believed; undefined if it can. */
function faultOf(batch: Buffer, checkCrc: boolean): string | undefined {
  const magic = batch[MAGIC_AT];
  if (magic !== MAGIC) return `record format ${magic} is not read`;
  if (batch.length < HEADER_BYTES) return "the batch is shorter than its header";
  if (checkCrc && crc32c(batch.subarray(CRC_FROM)) !== batch.readUInt32BE(17))
    return "the checksum does not match";
  return undefined;
}

/** Its last offset is not known: go on at the next valid batch of the answer, else one offset further. */
function skipFaulty(walk: Walk, { baseOffset, end }: Frame, fault: string): number | undefined {
  for (let at = end; ; ) {
    const frame = frameAt(walk.bytes, at);
    if (frame === "cut" || frame === "malformed") break;
    if (faultOf(frame.batch, walk.checkCrc) === undefined) {
      if (frame.baseOffset > walk.nextOffset) skip(walk, baseOffset, frame.baseOffset - 1, fault);
      return at;
    }
    at = frame.end;
  }
  skip(walk, baseOffset, undefined, fault);
  return undefined;
}

function skip(walk: Walk, baseOffset: number, last: number | undefined, detail: string): void {
  const lastOffset = last ?? Math.max(baseOffset, walk.nextOffset);
  walk.corrupt.push({ baseOffset, lastOffset, detail });
  walk.nextOffset = lastOffset + 1;
}

type Range = { readonly baseOffset: number; readonly lastOffset: number };

function decodeBatch(batch: Buffer, range: Range, walk: Walk): Result<null, string> {
  const attributes = batch.readInt16BE(21);
  if ((attributes & CONTROL_FLAG) !== 0) return ok(null);
  const codec = attributes & CODEC_MASK;
  const first = walk.nextOffset === walk.fromOffset;
  const maxBytes = first ? walk.plainBytesMax : walk.plainBytesLeft;
  const plain = decompress(codec, batch.subarray(HEADER_BYTES), maxBytes);
  if (!plain.ok) return plain;
  if (codec !== 0) walk.plainBytesLeft -= plain.value.length;
  const append = (attributes & APPEND_TIME_FLAG) !== 0;
  const cursor = new RecordCursor(plain.value, {
    baseOffset: range.baseOffset,
    baseTimestampMs: int64(batch, 27),
    appendTimeMs: append ? int64(batch, 35) : undefined,
  });
  return decodeRecords(cursor, batch.readInt32BE(57), range.lastOffset, walk);
}

function decodeRecords(
  cursor: RecordCursor,
  count: number,
  lastOffset: number,
  { nextOffset, records }: Walk,
): Result<null, string> {
  try {
    for (let index = 0; index < count; index += 1) {
      const record = cursor.next();
      if (record.offset > lastOffset) return err("a record lies outside its batch");
      if (record.offset >= nextOffset) records.push(record);
    }
    return ok(null);
  } catch (cause) {
    return err(cause instanceof Error ? cause.message : String(cause));
  }
}

function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * HIGH + bytes.readUInt32BE(at + 4);
}
