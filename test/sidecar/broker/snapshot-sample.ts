/** A healthy broker 0 of three, and what a test changes of it. */

import type { ClusterMetadata, PartitionMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { CheckSettings, CheckStatus, Verdict } from "../../../sidecar/broker/check/check.ts";
import type { EvaluatedRound } from "../../../sidecar/broker/check/evaluate.ts";
import { evaluate } from "../../../sidecar/broker/check/evaluate.ts";
import type {
  BrokerSnapshot,
  DirContents,
  KafkaProcess,
  LogDirectory,
  Quorum,
  QuorumReplica,
  Reading,
} from "../../../sidecar/broker/snapshot.ts";

export const SETTINGS: CheckSettings = {
  ...{ futureReplicas: "warn", diskFreeWarn: 0.1, livenessBrakeMs: 120_000 },
};

export const readIn = <T>(value: T, durationMs = 3): Reading<T> => ({
  ...{ kind: "read" as const, value, durationMs },
});

export const failed = (detail: string, code: KafkaError["code"] = "timeout"): Reading<never> => ({
  kind: "failed",
  error: { code, retry: "transient", detail },
  durationMs: 2000,
});

export const absent = (reason: string): Reading<never> => ({ kind: "absent", reason });

/** Broker 0 leads it, unless told otherwise. */
export const partition = (
  number: number,
  replicas: readonly number[],
  isr: readonly number[],
  leader = replicas[0] ?? -1,
): PartitionMetadata => ({
  ...{ partition: number, leader, leaderEpoch: 5, replicas, isr },
  ...{ offlineReplicas: [], errorCode: leader < 0 ? 5 : 0 },
});

export const cluster = (
  topics: Readonly<Record<string, readonly PartitionMetadata[]>>,
  brokers: readonly number[] = [0, 1, 2],
): ClusterMetadata => ({
  clusterId: "sample",
  controllerId: 1,
  brokers: brokers.map((id) => ({ id, host: `kafka-${id}`, port: 9092, rack: null })),
  topics: Object.entries(topics).map(([name, partitions]) => ({
    ...{ name, topicId: "00000000-0000-0000-0000-000000000001", errorCode: 0 },
    ...{ isInternal: false, partitions },
  })),
});

const LEADER_NOW_MS = 1_700_000_000_000;

/** `lagMs` by the leader's clock; `null`: never caught up. */
export const replica = (id: number, lagMs: number | null = 0, records = 0): QuorumReplica => ({
  ...{ id, logEndOffset: 5000 - records, lastFetchAtMs: LEADER_NOW_MS },
  lastCaughtUpAtMs: lagMs === null ? -1 : LEADER_NOW_MS - lagMs,
});

export const quorum = (
  voters: readonly QuorumReplica[],
  changed: Partial<Quorum> = {},
): Quorum => ({
  ...{ leaderId: 1, leaderEpoch: 7, highWatermark: 5000, voters, observers: [] },
  ...changed,
});

export const dir = (
  path: string,
  { contents = {}, ...changed }: Partial<Omit<LogDirectory, "contents">> & DirChange = {},
): LogDirectory => ({
  ...{ path, errorCode: 0, totalBytes: 1000, usableBytes: 500, ...changed },
  contents:
    contents === "unread"
      ? undefined
      : { sizeBytes: 400, replicas: 3, topics: new Map(), future: [], ...contents },
});
type DirChange = { readonly contents?: Partial<DirContents> | "unread" };

export const running = (changed: Partial<Extract<KafkaProcess, { kind: "running" }>> = {}) => ({
  ...{ kind: "running" as const, pid: 42, ageMs: 60_000, hasAnswered: true, ioBytes: 1024 },
  ...changed,
});

const TOPICS = {
  orders: [partition(0, [0, 1, 2], [0, 1, 2]), partition(1, [1, 2, 0], [1, 2, 0])],
  bills: [partition(0, [2, 0, 1], [2, 0, 1])],
};

export function snapshot(changed: Partial<BrokerSnapshot> = {}): BrokerSnapshot {
  return {
    ...{ brokerId: 0, role: "broker", lagMs: 0, process: running() },
    answer: { kind: "answered", durationMs: 1.26 },
    identity: { kind: "same", how: "by its own settings" },
    silence: undefined,
    metadata: readIn({ cluster: cluster(TOPICS), from: "local" }),
    quorum: readIn(quorum([replica(0, 200, 1), replica(1), replica(2, 400, 2)])),
    logDirs: readIn([dir("/data/0"), dir("/data/1")]),
    minInsyncReplicas: readIn(
      new Map([
        ["orders", 2],
        ["bills", 2],
      ]),
    ),
    ...{
      hasStarted: true,
      portHolder: undefined,
      backlog: undefined,
      minInsyncTrouble: undefined,
      hidden: undefined,
      listensAt: [],
      adding: new Set<string>(),
    },
    ...changed,
  };
}

export const metadataOf = (
  topics: Readonly<Record<string, readonly PartitionMetadata[]>>,
  brokers?: readonly number[],
): Pick<BrokerSnapshot, "metadata"> => ({
  metadata: readIn({ cluster: cluster(topics, brokers), from: "local" }),
});

/** A round of it that began at `beganMs`. */
export const judged = (
  changed: Partial<BrokerSnapshot> = {},
  beganMs = 0,
  settings: CheckSettings = SETTINGS,
): EvaluatedRound => ({
  judgement: evaluate(snapshot(changed), settings),
  beganMs,
  tookMs: 12,
});

export const said = ({ status, reason }: Verdict): readonly [CheckStatus, string] => [
  status,
  reason,
];
