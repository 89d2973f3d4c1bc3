/** kafkajs's own client, for the consumer group of `sidecar ingest` alone. */

import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { KafkaError } from "./error.ts";
import type { KafkaSettings } from "./settings.ts";
import type { KafkaLog } from "./wire.ts";

export type ConsumerOptions = {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly onBatch: (payload: EachBatchPayload) => Promise<void>;
  /** The consumer has stopped for good: end the process. */
  readonly onCrash: (error: KafkaError) => void;
  readonly signal: AbortSignal;
};

export function kafkaClient(_settings: KafkaSettings, _log: KafkaLog): Kafka {
  throw new Error("not yet");
}

export function runConsumer(_options: ConsumerOptions): Promise<Consumer> {
  throw new Error("not yet");
}
