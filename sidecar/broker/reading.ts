/**
 * What one round read of the broker beside us and of its cluster: the input of the checks. Plain data;
 * what could not be read says why. Times are ms, sizes bytes.
 */
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { ClusterMetadata } from "../../shared/kafka/metadata.ts";

export type Reading<T> =
  | { readonly kind: "read"; readonly value: T; readonly durationMs: number }
  | { readonly kind: "failed"; readonly error: KafkaError; readonly durationMs: number }
  /** Not asked, because there is nothing to ask: an old broker without the API, a controller without partitions. */
  | { readonly kind: "absent"; readonly reason: string };

/**
 * What the local listener did. Any answer counts, also a refusal: a wrong password or an expired
 * certificate of ours is no fault of Kafka's.
 */
export type Answer =
  | { readonly kind: "answered"; readonly durationMs: number }
  /** It answered, but does not take us: TLS alert, SASL refusal. */
  | { readonly kind: "refused-us"; readonly detail: string; readonly durationMs: number }
  /** Nobody listens, or the connection was cut without a byte. */
  | { readonly kind: "closed"; readonly detail: string; readonly durationMs: number }
  /** Somebody listens and did not answer before the deadline. */
  | { readonly kind: "silent"; readonly detail: string; readonly durationMs: number }
  /** We could not ask: a name that does not resolve, a file we cannot read, no CPU for ourselves. */
  | { readonly kind: "not-asked"; readonly detail: string; readonly durationMs: number };

/** Kafka's own process, where we can see it (`shareProcessNamespace`, or the same host). */
export type KafkaProcess =
  | {
      readonly kind: "running";
      readonly pid: number;
      /** For how long it has been running. */
      readonly ageMs: number;
      /** Has its listener answered us since this process started? */
      readonly hasAnswered: boolean;
      /** Bytes read and written by it since its start (/proc/<pid>/io): the only sign of progress in recovery. */
      readonly ioBytes: number | undefined;
    }
  | { readonly kind: "gone" }
  | { readonly kind: "hidden"; readonly reason: string };

/** KIP-595, KIP-836. Timestamps are the quorum leader's, Unix ms; -1: unknown. */
export type QuorumReplica = {
  readonly id: number;
  readonly logEndOffset: number;
  readonly lastFetchAtMs: number;
  readonly lastCaughtUpAtMs: number;
};

export type Quorum = {
  /** -1: none. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  readonly voters: readonly QuorumReplica[];
  readonly observers: readonly QuorumReplica[];
};

export type LogDir = {
  readonly path: string;
  /** 0, or 56 KAFKA_STORAGE_ERROR for an offline directory. */
  readonly errorCode: number;
  /** -1: the broker does not say (before Kafka 3.3, KIP-827). */
  readonly totalBytes: number;
  readonly usableBytes: number;
  /** Of all replicas in it. */
  readonly sizeBytes: number;
  readonly replicas: number;
  /** Replicas on their way into this directory (KIP-113): normal work. */
  readonly future: readonly FutureReplica[];
};

export type FutureReplica = {
  readonly topic: string;
  readonly partition: number;
  readonly sizeBytes: number;
  /** Records it still lacks. */
  readonly offsetLag: number;
};

export type BrokerSnapshot = {
  readonly brokerId: number;
  /** A controller-only node has no metadata, partitions or log directories to ask for. */
  readonly role: "broker" | "controller";
  readonly answer: Answer;
  readonly process: KafkaProcess;
  /** `from`: the local broker, or whoever else answered when it did not. */
  readonly metadata: Reading<{
    readonly cluster: ClusterMetadata;
    readonly from: "local" | "cluster";
  }>;
  readonly quorum: Reading<Quorum>;
  readonly logDirs: Reading<readonly LogDir[]>;
  /** `min.insync.replicas` by topic; a topic that is not in it could not be read. */
  readonly minInsyncReplicas: Reading<ReadonlyMap<string, number>>;
  /** How much longer than the deadline our own timer took: what we did not get of the CPU. */
  readonly lagMs: number;
};
