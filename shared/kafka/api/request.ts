/** One Kafka API as a value: what the client of cluster/client.ts sends. */

import type { ByteReader, ByteWriter } from "./bytes.ts";

/** `end`: the last four bytes; only for versions that are not flexible. */
export type ThrottleField = { readonly at: "start" | "end"; readonly from: number };

export type KafkaRequest<T> = {
  readonly apiKey: number;
  readonly apiName: string;
  /** The versions that `encode` and `decode` know; the highest one that the broker also knows is used. */
  readonly versions: { readonly min: number; readonly max: number };
  /**
   * The first flexible version: from it on, exchange.ts writes and skips the header's tags. Absent: none is
   * flexible.
   */
  readonly flexibleFrom?: number;
  /**
   * A lane is a connection of its own. A broker answers the requests of a connection one after the other,
   * so a request that waits long at the broker (Fetch, JoinGroup) needs one.
   */
  readonly lane?: string;
  /**
   * Where the answer has throttle_time_ms, and the first version after which the broker mutes the
   * connection for that time (KIP-219; if we know only older versions, the first one with the field).
   * `none`: the answer has no such field.
   */
  readonly throttle: ThrottleField | "none";
  readonly encode: (writer: ByteWriter, version: number) => void;
  /** Error codes in the answer are data. May throw RangeError when the bytes end early. */
  readonly decode: (reader: ByteReader, version: number) => T;
};
