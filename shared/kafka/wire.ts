/** The wire to a Kafka cluster. */

import type { Result } from "../result.ts";
import type { KafkaError } from "./error.ts";
import type { BrokerNode, ClusterMetadata, PartitionMetadata } from "./metadata.ts";
import type { Call, KafkaRequest } from "./request.ts";
import type { KafkaSettings } from "./settings.ts";

export type KafkaLog = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields: Record<string, unknown>,
) => void;

export type Leader = { readonly node: BrokerNode; readonly partition: PartitionMetadata };

export type Wire = {
  readonly metadata: (
    topics: readonly string[] | "all",
    call: Call,
  ) => Promise<Result<ClusterMetadata, KafkaError>>;
  readonly leaderOf: (
    topic: string,
    partition: number,
    call: Call,
  ) => Promise<Result<Leader, KafkaError>>;
  readonly toBroker: <T>(
    id: number,
    request: KafkaRequest<T>,
    call: Call,
  ) => Promise<Result<T, KafkaError>>;
  readonly toAny: <T>(request: KafkaRequest<T>, call: Call) => Promise<Result<T, KafkaError>>;
  readonly toCoordinator: <T>(
    groupId: string,
    request: KafkaRequest<T>,
    call: Call,
  ) => Promise<Result<T, KafkaError>>;
  readonly close: () => Promise<void>;
};

export function openWire(_settings: KafkaSettings, _options: { readonly log: KafkaLog }): Wire {
  throw new Error("not yet");
}
