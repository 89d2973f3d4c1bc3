/** Consumer groups of others: their committed offsets, and their end. */

import type { Result } from "../result.ts";
import type { KafkaError } from "./error.ts";
import type { Call } from "./request.ts";
import type { Wire } from "./wire.ts";

/** A group that is not there counts as deleted. `group-not-empty` while it has a member. */
export function deleteGroup(
  _wire: Wire,
  _groupId: string,
  _call: Call,
): Promise<Result<null, KafkaError>> {
  throw new Error("not yet");
}

/** Partitions without a committed offset are absent from the map. */
export function committedOffsets(
  _wire: Wire,
  _groupId: string,
  _topic: string,
  _partitions: readonly number[],
  _call: Call,
): Promise<Result<ReadonlyMap<number, number>, KafkaError>> {
  throw new Error("not yet");
}
