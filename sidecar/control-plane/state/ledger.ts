/**
 * What the beginning of a term, the registry's offsets and the ledger's own records mean for the leader's
 * state. Pure.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { LedgerRecord } from "../../../shared/protocol/ledger.ts";
import { type Cluster, type Fleet, setFact } from "../fleet/fleet.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Taken } from "../inbox.ts";
import type { LeaderState } from "./leader-state.ts";

/** Every cluster starts at age zero: we have not seen what happened before this term. */
export function begin(leaderState: LeaderState, ages: Ages): void {
  const seen = { clock: ages.joint, atMs: 0 };
  for (const cluster of leaderState.fleet.clusters.values()) {
    cluster.seen = seen;
    cluster.beat = undefined;
    if (cluster.worker !== null)
      leaderState.restarts.set(cluster.clientId, cluster.worker.restarts);
    leaderState.expiry.schedule(cluster);
    if (cluster.withdrawal !== "done") leaderState.dirty.add(cluster.clientId);
    resumeTrial(leaderState, cluster);
  }
}

/** An earlier leader replaced its worker, which had not run long enough: it keeps its slot. */
function resumeTrial(leaderState: LeaderState, cluster: Cluster): void {
  const { clientId } = cluster;
  const replacedFor = cluster.facts?.replaced_for;
  if (replacedFor === undefined) return;
  const isLive = cluster.withdrawal === null && cluster.state !== "dead";
  if (isLive && replacedFor === leaderState.rollout.specHash)
    leaderState.rollout.trials.set(clientId, undefined);
  else endTrial(leaderState, cluster);
}

/** It has run long enough, or does not belong to this rollout. */
export function endTrial(leaderState: LeaderState, cluster: Cluster): void {
  if (cluster.facts?.replaced_for === undefined) return;
  setFact(cluster, "replaced_for", undefined);
  leaderState.unsaved.add(cluster.clientId);
}

export function applyOffsets(leaderState: LeaderState, taken: Taken, epoch: number): void {
  for (const [partition, offset] of taken.applied) {
    const before = leaderState.fleet.applied.get(partition);
    if (before === undefined || (before.offset === offset && before.epoch === epoch)) continue;
    leaderState.fleet.applied.set(partition, { ...before, offset, epoch });
    leaderState.unsavedApplied.add(partition);
  }
}

/**
 * An older record after our own would survive compaction: one of a lower epoch, or a delayed one of ours
 * (an attempt that was given up, and appended when a hung broker went on). Then ours is written again.
 */
export function noticeLedger(
  leaderState: LeaderState,
  record: LedgerRecord,
  epoch: number,
  end: (reason: string) => void,
): void {
  const { epoch: written, sequence = 0 } =
    record.kind === "status" ? record.status : record.applied;
  if (written > epoch) end(`the ledger has a record of epoch ${written}`);
  if (written > epoch || (written === epoch && sequence >= leaderState.readSequence)) {
    leaderState.readSequence = Math.max(leaderState.readSequence, sequence);
    return;
  }
  if (record.kind === "applied") leaderState.unsavedApplied.add(record.partition);
  else if (leaderState.fleet.clusters.has(record.status.client_id)) {
    leaderState.unsaved.add(record.status.client_id);
  }
}

/** Partitions that the registry no longer has: their `_applied` is marked as removed. */
export function dropPartitions(leaderState: LeaderState, present: readonly number[]): void {
  for (const partition of [...leaderState.fleet.applied.keys()]) {
    if (present.includes(partition)) continue;
    leaderState.fleet.applied.delete(partition);
    leaderState.unsavedApplied.add(partition);
  }
}

/** The registry lost its last records: offsets that the ledger has will be reused for other records. */
export function forgetOffsets(fleet: Fleet, partition: number): readonly ClientId[] {
  const changed: ClientId[] = [];
  for (const cluster of fleet.clusters.values()) {
    const { topic_id: _, ...registry } = cluster.registry;
    if (registry.partition !== partition || cluster.registry.topic_id === undefined) continue;
    cluster.registry = registry;
    changed.push(cluster.clientId);
  }
  return changed;
}
