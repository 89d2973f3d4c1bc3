/**
 * What would stopping this broker now take away: which partitions would be under `min.insync.replicas`,
 * and would the quorum keep its majority? Pure; the rules are docs/decision/0017's, and close to
 * those of Strimzi's roller (KafkaAvailability, KRaftQuorum checks).
 *
 * 1. A partition counts only while waiting can help: other replicas must be able to make up the number
 *    that must be left. One with too few of them is listed apart and holds nothing up.
 * 2. The last replica in sync is waited for even there, for without it the partition is gone.
 * 3. What could not be read and would matter makes the answer unknown, never safe.
 */
import type { ClusterMetadata, PartitionMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { Quorum } from "../snapshot.ts";
import { eachPartition } from "../text.ts";
import { isCaughtUp, lagOf } from "./metadata-caught-up.ts";

/** Of each list, in bodies; the totals count all. */
export const RISK_ROWS_MAX = 20;

export type BlockingPartition = {
  readonly topic: string;
  readonly partition: number;
  readonly isr: readonly number[];
  /** Null: could not be read, and matters not, for nobody would be left in sync. */
  readonly minInsyncReplicas: number | null;
  /** Brokers that hold a replica and are not in the ISR. */
  readonly waitingFor: readonly number[];
};

/** With this broker away it is always under `min.insync.replicas`, or away itself. */
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
  /** Topics whose `min.insync.replicas` would decide and is not known. */
  readonly undecided: readonly string[];
};

export type QuorumRisk = {
  readonly voters: number;
  /** Voters that must be there and caught up when this node is away. */
  readonly needed: number;
  readonly caughtUp: readonly number[];
  readonly behind: readonly number[];
  readonly blocks: boolean;
};

/** Counting goes on past the rows that are kept. */
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
