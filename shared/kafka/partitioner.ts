/** Java's default partitioner: murmur2 of the key. kcat and librdkafka use CRC32, sarama FNV: theirs differ. */

/** @returns 0 to partitionCount - 1 */
export function partitionFor(_key: Buffer | string, _partitionCount: number): number {
  throw new Error("not yet");
}
