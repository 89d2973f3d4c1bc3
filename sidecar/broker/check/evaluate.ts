/** Evaluates one snapshot: the verdict of every check, and figures for metrics. Pure, and done once per round. */
import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { BrokerSnapshot, LogDirectory } from "../snapshot.ts";
import { eachPartition, partitionName } from "../text.ts";
import { checkBrokerAnswers } from "./broker-answers.ts";
import { checkBrokerIdentity } from "./broker-identity.ts";
import { checkBrokerRegistered } from "./broker-registered.ts";
import { checkBrokerStarted } from "./broker-started.ts";
import type { Check, CheckName, CheckSettings, Verdict } from "./check.ts";
import { CHECKS } from "./check.ts";
import { checkDiskFree } from "./disk-free.ts";
import { checkFollowersInSync } from "./followers-in-sync.ts";
import { checkFutureReplicas } from "./future-replicas.ts";
import { checkLogDirectories } from "./log-directories.ts";
import { checkMetadataCaughtUp, lagOf, type QuorumLag } from "./metadata-caught-up.ts";
import { checkQuorumLeader } from "./quorum-leader.ts";
import { checkReplicasInSync } from "./replicas-in-sync.ts";
import { checkRestartSafe, type RestartRisk, restartRisk } from "./restart-safe.ts";

/** Undefined: not read. */
export type Figures = {
  /** Partitions with a replica here that is not in the ISR. */
  readonly underReplicated: number | undefined;
  /** Partitions of the whole cluster that have no leader. */
  readonly offline: number | undefined;
  readonly quorumLag: QuorumLag | undefined;
  readonly logDirs: readonly LogDirectory[] | undefined;
};

export type Evaluation = {
  /** One for each check, in the order of CHECKS. */
  readonly verdicts: readonly Verdict[];
  readonly risk: RestartRisk;
  readonly figures: Figures;
};

/** An evaluation and its round, for routes and metrics. */
export type EvaluatedRound = {
  readonly judgement: Evaluation;
  /** When its reads began, on the monotonic clock: nothing in it is older. */
  readonly beganMs: number;
  readonly tookMs: number;
};

const SIMPLE: Readonly<Record<Exclude<CheckName, "restart-safe">, Check>> = {
  "broker-answers": checkBrokerAnswers,
  "broker-started": checkBrokerStarted,
  "broker-identity": checkBrokerIdentity,
  "broker-registered": checkBrokerRegistered,
  "quorum-leader": checkQuorumLeader,
  "metadata-caught-up": checkMetadataCaughtUp,
  "log-directories": checkLogDirectories,
  "replicas-in-sync": checkReplicasInSync,
  "followers-in-sync": checkFollowersInSync,
  "future-replicas": checkFutureReplicas,
  "disk-free": checkDiskFree,
};

/** @param before the snapshot of the last round, if there was one: the difference is shown as progress. */
export function evaluate(
  snapshot: BrokerSnapshot,
  settings: CheckSettings,
  before?: BrokerSnapshot,
): Evaluation {
  const risk = restartRisk(snapshot);
  const verdicts = CHECKS.map((check) =>
    check === "restart-safe"
      ? checkRestartSafe(snapshot, risk)
      : SIMPLE[check](snapshot, settings, before),
  );
  return { verdicts, risk, figures: figuresOf(snapshot) };
}

function figuresOf(snapshot: BrokerSnapshot): Figures {
  const { brokerId, role, metadata, quorum, logDirs, adding } = snapshot;
  const partitions =
    role === "broker" && metadata.kind === "read"
      ? countPartitions(metadata.value.cluster, brokerId, adding)
      : { underReplicated: undefined, offline: undefined };
  return {
    ...partitions,
    quorumLag: quorum.kind === "read" ? lagOf(quorum.value, brokerId) : undefined,
    logDirs: logDirs.kind === "read" ? logDirs.value : undefined,
  };
}

/** As Kafka counts them: replicas that a reassignment adds are not under-replicated. */
function countPartitions(cluster: ClusterMetadata, brokerId: number, adding: ReadonlySet<string>) {
  const counts = { underReplicated: 0, offline: 0 };
  eachPartition(cluster, ({ partition, leader, replicas, isr }, topic) => {
    if (leader < 0) counts.offline += 1;
    if (!replicas.includes(brokerId) || isr.includes(brokerId)) return;
    if (!adding.has(partitionName({ topic, partition }))) counts.underReplicated += 1;
  });
  return counts;
}
