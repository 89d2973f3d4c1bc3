/**
 * What would a stop of this broker cause: which partitions would be under `min.insync.replicas`, and would
 * the quorum lose its majority? Pure; the rules are those of docs/decision/0017, and close to those of
 * Strimzi's roller (KafkaAvailability, KRaftQuorum checks).
 *
 * 1. A partition counts only while waiting can help: its other replicas must be able to reach the minimum.
 *    A partition with too few of them is listed separately and delays nothing.
 * 2. Even such a partition counts while no other replica is in sync, because it would be offline.
 * 3. If something that matters could not be read, the answer is unknown, never safe.
 */
import type { ClusterMetadata, PartitionMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { Quorum } from "../snapshot.ts";
import { eachPartition } from "../text.ts";
import { isCaughtUp, lagOf } from "./metadata-caught-up.ts";

/** The most rows of each list in a body; the totals count all. */
export const RISK_ROWS_MAX = 20;

export type BlockingPartition = {
  readonly topic: string;
  readonly partition: number;
  readonly isr: readonly number[];
  /** Null: could not be read, and does not matter, because no replica would be left in sync. */
  readonly minInsyncReplicas: number | null;
  /** Brokers that have a replica and are not in the ISR. */
  readonly waitingFor: readonly number[];
};

/** Without this broker it is always under `min.insync.replicas`, or offline. */
export type NeverSafePartition = {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly minInsyncReplicas: number | null;
};

type Rows<T> = { readonly rows: readonly T[]; readonly total: number };

export type PartitionRisk = {
  readonly held: number;
  readonly blocking: Rows<BlockingPartition>;
  readonly neverSafe: Rows<NeverSafePartition>;
  /** Topics whose `min.insync.replicas` would decide, but is not known. */
  readonly undecided: readonly string[];
};

export type QuorumRisk = {
  readonly voters: number;
  /** How many voters must be caught up while this node is away. */
  readonly needed: number;
  readonly caughtUp: readonly number[];
  readonly behind: readonly number[];
  readonly blocks: boolean;
};

/** Counts all rows, and keeps only the first ones. */
function openRows<T>() {
  const rows: T[] = [];
  const all = { rows, total: 0 };
  return {
    all,
    add: (row: () => T) => {
      all.total += 1;
      if (rows.length < RISK_ROWS_MAX) rows.push(row());
    },
  };
}

export function partitionRisk(
  cluster: ClusterMetadata,
  brokerId: number,
  minInsyncReplicas: ReadonlyMap<string, number>,
): PartitionRisk {
  const blocking = openRows<BlockingPartition>();
  const neverSafe = openRows<NeverSafePartition>();
  const undecided = new Set<string>();
  let held = 0;
  eachPartition(cluster, (seen, topic) => {
    const { partition, replicas, isr } = seen;
    if (!replicas.includes(brokerId)) return;
    held += 1;
    const min = minInsyncReplicas.get(topic);
    const fate = fateOf(seen, brokerId, min);
    if (fate.neverSafe) {
      neverSafe.add(() => ({ topic, partition, replicas, minInsyncReplicas: min ?? null }));
    }
    if (fate.step === "undecided") undecided.add(topic);
    if (fate.step === "blocks") {
      const waitingFor = replicas.filter((id) => id !== brokerId && !isr.includes(id));
      blocking.add(() => ({ topic, partition, isr, minInsyncReplicas: min ?? null, waitingFor }));
    }
  });
  return { held, blocking: blocking.all, neverSafe: neverSafe.all, undecided: [...undecided] };
}

type Fate = { readonly step: "safe" | "blocks" | "undecided"; readonly neverSafe: boolean };

function fateOf(
  { replicas, isr }: PartitionMetadata,
  brokerId: number,
  min: number | undefined,
): Fate {
  const others = replicas.length - 1;
  const left = isr.filter((id) => id !== brokerId).length;
  const neverSafe = others === 0 || (min !== undefined && others < min);
  const wanted = neverSafe ? Math.min(1, others) : min;
  if (left >= others || (wanted !== undefined && left >= wanted))
    return { step: "safe", neverSafe };
  return { step: wanted === undefined && left > 0 ? "undecided" : "blocks", neverSafe };
}

/** Undefined for a node that does not vote. A quorum of one or two never keeps a majority without this one. */
export function quorumRisk(quorum: Quorum, nodeId: number): QuorumRisk | undefined {
  const ids = quorum.voters.map(({ id }) => id);
  if (!ids.includes(nodeId)) return undefined;
  const majority = Math.floor(ids.length / 2) + 1;
  const needed = Math.min(majority, ids.length - 1);
  const others = ids.filter((id) => id !== nodeId);
  const follows = (id: number) => {
    const lag = lagOf(quorum, id);
    return lag !== undefined && isCaughtUp(lag);
  };
  const caughtUp = others.filter(follows);
  const behind = others.filter((id) => !follows(id));
  return { voters: ids.length, needed, caughtUp, behind, blocks: caughtUp.length < needed };
}
