/**
 * The lz4 frame format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md): lz4js decodes the
 * blocks. Its own frame reader misplaces block checksums and has no size limit. Checksums are not verified:
 * Kafka's batch has its own.
 */

import { decompressBlock } from "lz4js";

const MAGIC = 0x184d2204;
const VERSION_MASK = 0xc0;
const VERSION_1 = 0x40;
const BLOCK_CHECKSUM_FLAG = 0x10;
const CONTENT_SIZE_FLAG = 0x08;
const DICTIONARY_FLAG = 0x01;
const STORED_FLAG = 0x8000_0000;
const FRAME_HEADER_BYTES = 6;
const BLOCK_HEAD_BYTES = 4;
/** By the block descriptor's bits 4 to 6. */
const BLOCK_BYTES_MAX: Readonly<Record<number, number>> = {
  4: 0x1_0000,
  5: 0x4_0000,
  6: 0x10_0000,
  7: 0x40_0000,
};

type Frame = {
  readonly blocksAt: number;
  readonly blockBytesMax: number;
  readonly trailerBytes: number;
};

/** @throws RangeError when the bytes are no frame, end early, or grow beyond `maxBytes` */
export function decompressLz4(source: Buffer, maxBytes: number): Buffer {
  const { blocksAt, blockBytesMax, trailerBytes } = readFrame(source);
  let target: Buffer = Buffer.alloc(0);
  let written = 0;
  let at = blocksAt;
  for (;;) {
    const head = source.readUInt32LE(at);
    at += BLOCK_HEAD_BYTES;
    if (head === 0) return target.subarray(0, written);
    const stored = head >= STORED_FLAG;
    const length = head & ~STORED_FLAG;
    const end = at + length;
    if (length > blockBytesMax || end > source.length)
      throw new RangeError("an lz4 block ends early");
    target = withRoom(target, written, stored ? length : blockBytesMax, maxBytes);
    written = stored
      ? written + source.copy(target, written, at, end)
      : decompressBlock(source.subarray(0, end), target, at, length, written);
    // Also false for NaN, which lz4js makes of a length that runs beyond the end.
    if (!(written <= target.length)) throw new RangeError("an lz4 block is malformed or too large");
    at = end + trailerBytes;
  }
}

function readFrame(source: Buffer): Frame {
  if (source.readUInt32LE(0) !== MAGIC) throw new RangeError("no lz4 frame");
  const flags = source.readUInt8(4);
  if ((flags & VERSION_MASK) !== VERSION_1) throw new RangeError("unknown lz4 frame version");
  if ((flags & DICTIONARY_FLAG) !== 0) throw new RangeError("an lz4 dictionary is not supported");
  const blockBytesMax = BLOCK_BYTES_MAX[(source.readUInt8(5) >> 4) & 7];
  if (blockBytesMax === undefined) throw new RangeError("unknown lz4 block size");
  const contentSizeBytes = (flags & CONTENT_SIZE_FLAG) === 0 ? 0 : 8;
  const trailerBytes = (flags & BLOCK_CHECKSUM_FLAG) === 0 ? 0 : 4;
  return { blocksAt: FRAME_HEADER_BYTES + contentSizeBytes + 1, blockBytesMax, trailerBytes };
}

/** Blocks may refer to the 64 KiB before them, so all are decoded into one buffer. */
function withRoom(target: Buffer, written: number, more: number, maxBytes: number): Buffer {
  if (written + more <= target.length) return target;
  if (written >= maxBytes) throw new RangeError(`lz4 grows beyond ${maxBytes} bytes`);
  const bigger = Buffer.alloc(Math.min(maxBytes, Math.max(written + more, target.length * 2)));
  target.copy(bigger, 0, 0, written);
  return bigger;
}
