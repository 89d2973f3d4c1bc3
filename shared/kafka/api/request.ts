/** One Kafka API as a value: what others hand to the wire to ask Kafka for something that it has no function for. */

import type { ByteReader, ByteWriter } from "./bytes.ts";

/** A call ends at its deadline, whatever the broker does. The signal ends it earlier. */
export type Call = { readonly deadlineMs: number; readonly signal?: AbortSignal };

/** `end`: the last four bytes, of versions that are not flexible alone. */
export type ThrottleField = { readonly at: "start" | "end"; readonly from: number };

export type KafkaRequest<T> = {
  readonly apiKey: number;
  readonly apiName: string;
  /** The versions that `encode` and `decode` know; the highest one that the broker knows too is used. */
  readonly versions: { readonly min: number; readonly max: number };
  /** The first flexible version: header tags are then written and skipped for us. None when absent. */
  readonly flexibleFrom?: number;
  /**
   * A broker answers one request of a connection after the other: what waits long at the broker (Fetch, JoinGroup) goes by a lane,
   * that is a connection, of its own.
   */
  readonly lane?: string;
  /**
   * Where its answer has throttle_time_ms, and the first version after which the broker is deaf for that time
   * (KIP-219; where only older ones are known here, the first that has the field).
   * `none`: the answer has no such field.
   */
  readonly throttle: ThrottleField | "none";
  readonly encode: (writer: ByteWriter, version: number) => void;
  /** Error codes in the answer are data. May throw RangeError when the bytes end early. */
  readonly decode: (reader: ByteReader, version: number) => T;
};
