/** Writes records: acks=all, in order. */

import type { Result } from "../result.ts";
import type { KafkaError } from "./error.ts";
import type { OutRecord } from "./record.ts";
import type { Call } from "./request.ts";
import type { KafkaLog, Wire } from "./wire.ts";

export type Written = { readonly partition: number; readonly offset: number };

export type Writer = {
  /** One entry per record, in the given order. */
  readonly send: (
    topic: string,
    records: readonly OutRecord[],
    call: Call,
  ) => Promise<Result<readonly Written[], KafkaError>>;
};

export function openWriter(_options: { readonly wire: Wire; readonly log: KafkaLog }): Writer {
  throw new Error("not yet");
}
