/** Where partitions begin and end. */

import type { Result } from "../result.ts";
import type { KafkaError } from "./error.ts";
import type { Call } from "./request.ts";
import type { Wire } from "./wire.ts";

export type PartitionOffsets = {
  readonly offsets: ReadonlyMap<number, number>;
  /** Partitions that could not be asked, such as those without a leader. */
  readonly errors: ReadonlyMap<number, KafkaError>;
};

/** The high watermark of each partition: the offset that the next record will get. */
export function endOffsets(
  _wire: Wire,
  _topic: string,
  _call: Call,
): Promise<Result<PartitionOffsets, KafkaError>> {
  throw new Error("not yet");
}

/** The first offset of each partition that is still there. */
export function startOffsets(
  _wire: Wire,
  _topic: string,
  _call: Call,
): Promise<Result<PartitionOffsets, KafkaError>> {
  throw new Error("not yet");
}
