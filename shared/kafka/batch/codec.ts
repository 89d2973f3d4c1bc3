/**
 * The codecs that other clients use: gzip and zstd by the runtime, snappy framed as Java writes it (xerial) or raw as librdkafka does, lz4 frames.
 * Also registered in kafkajs, which otherwise stops for good at the first such record.
 */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import kafkajs from "kafkajs";
import { uncompress as uncompressSnappy } from "snappyjs";
import { err, ok, type Result } from "../../result.ts";
import { decompressLz4 } from "./lz4-frame.ts";

/**
 * A batch that decompresses to more is refused: Kafka's default batch is 1 MiB, and codecs reach ratios of
 * a thousand.
 */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

const CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;
const CHUNK_LENGTH_BYTES = 4;

/** @returns the decompressed bytes, or an error; never throws, whatever the bytes */
export function decompress(
  codec: number,
  bytes: Buffer,
  maxBytes = DECOMPRESSED_BYTES_MAX,
): Result<Buffer, string> {
  try {
    switch (codec) {
      case CODEC.none:
        return ok(bytes);
      case CODEC.gzip:
        return ok(gunzipSync(bytes, { maxOutputLength: maxBytes }));
      case CODEC.snappy:
        return ok(decompressSnappy(bytes, maxBytes));
      case CODEC.lz4:
        return ok(decompressLz4(bytes, maxBytes));
      case CODEC.zstd:
        return ok(zstdDecompressSync(bytes, { maxOutputLength: maxBytes }));
      default:
        return err(`codec ${codec} is unknown`);
    }
  } catch (cause) {
    return err(`codec ${codec}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function decompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC))
    return uncompressSnappy(bytes, maxBytes);
  const chunks: Buffer[] = [];
  let left = maxBytes;
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    const length = bytes.readUInt32BE(at);
    at += CHUNK_LENGTH_BYTES;
    if (at + length > bytes.length) throw new RangeError("a snappy chunk ends early");
    const chunk = uncompressSnappy(bytes.subarray(at, at + length), left);
    left -= chunk.length;
    at += length;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** For kafkajs's consumer. We write uncompressed: its compress functions are never used. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  const reader = (codec: number) => () => ({
    compress: () => Promise.reject(new Error("we write uncompressed")),
    decompress: (bytes: Buffer) => {
      const plain = decompress(codec, bytes);
      return plain.ok ? Promise.resolve(plain.value) : Promise.reject(new Error(plain.error));
    },
  });
  CompressionCodecs[CompressionTypes.Snappy] = reader(CODEC.snappy);
  CompressionCodecs[CompressionTypes.LZ4] = reader(CODEC.lz4);
  CompressionCodecs[CompressionTypes.ZSTD] = reader(CODEC.zstd);
}
