/** Reads partitions without a consumer group. */

import type { KafkaError } from "./error.ts";
import type { CorruptBatch, KafkaRecord } from "./record.ts";
import type { KafkaLog, Wire } from "./wire.ts";

export type ReadPosition = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export type ReadBatch = {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly KafkaRecord[];
  readonly corrupt: readonly CorruptBatch[];
  /** The offset that is read next. The end is reached when it equals `highWatermark`. */
  readonly nextOffset: number;
  readonly highWatermark: number;
};

export type ReadProblem =
  | {
      readonly kind: "offset-out-of-range";
      readonly topic: string;
      readonly partition: number;
      readonly offset: number;
      readonly startOffset: number;
      readonly endOffset: number;
      readonly topicId: string;
    }
  | { readonly kind: "topic-missing"; readonly topic: string }
  | {
      readonly kind: "topic-recreated";
      readonly topic: string;
      readonly oldTopicId: string;
      readonly newTopicId: string;
    }
  | {
      readonly kind: "partition-count-changed";
      readonly topic: string;
      readonly was: number;
      readonly now: number;
    }
  | { readonly kind: "unreachable"; readonly error: KafkaError }
  | { readonly kind: "recovered" };

export type ReaderOptions = {
  readonly wire: Wire;
  readonly log: KafkaLog;
  readonly positions: readonly ReadPosition[];
  readonly deliver: (batch: ReadBatch) => Promise<void> | void;
  readonly problem: (problem: ReadProblem) => void;
  readonly maxWaitMs?: number;
  readonly maxBytes?: number;
};

export type Reader = {
  /** Begins at, or moves to, a position. */
  readonly add: (position: ReadPosition) => void;
  readonly remove: (topic: string, partition: number) => void;
  readonly positions: () => readonly ReadPosition[];
  readonly close: () => Promise<void>;
};

export function openReader(_options: ReaderOptions): Reader {
  throw new Error("not yet");
}
