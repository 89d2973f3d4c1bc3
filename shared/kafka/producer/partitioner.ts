/** Java's default partitioner: murmur2 of the key. kcat and librdkafka use CRC32, sarama FNV: theirs differ. */

const SEED = 0x9747_b28c;
const MULTIPLIER = 0x5bd1_e995;
const SHIFT = 24;
const POSITIVE_MASK = 0x7fff_ffff;

/** @returns 0 to partitionCount - 1 */
export function partitionFor(key: Buffer | string, partitionCount: number): number {
  const bytes = typeof key === "string" ? Buffer.from(key) : key;
  return (murmur2(bytes) & POSITIVE_MASK) % partitionCount;
}

/** The same as `org.apache.kafka.common.utils.Utils.murmur2`: a signed 32 bit number. */
export function murmur2(bytes: Buffer): number {
  let hash = SEED ^ bytes.length;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), MULTIPLIER);
    word ^= word >>> SHIFT;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  if (at < bytes.length) {
    hash ^= bytes.readUIntLE(at, bytes.length - at);
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 15);
}
