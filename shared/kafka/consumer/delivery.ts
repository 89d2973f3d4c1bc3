/** What a consumer delivers: batches in offset order, and problems that keep it from reading. */
import type { CorruptBatch, KafkaRecord } from "../batch/record.ts";
import type { KafkaError } from "../error.ts";

export type ReadPosition = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export type ReadBatch = {
  readonly topic: string;
  readonly partition: number;
  /** Empty when only the end became known, or batches were skipped. */
  readonly records: readonly KafkaRecord[];
  readonly corrupt: readonly CorruptBatch[];
  /** The offset that is read next. The end is reached when it equals `highWatermark`. */
  readonly nextOffset: number;
  readonly highWatermark: number;
};

export type ReadProblem =
  | {
      /** Reading pauses until `add` gives a new position. */
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
  /** Some partition cannot be read now; reported once until `recovered`. */
  | { readonly kind: "unreachable"; readonly error: KafkaError }
  | { readonly kind: "recovered" };
