/** The fleet and the ledger: folds ledger records into a fleet, and makes a cluster's record. Pure. */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { ClusterStatus, LedgerRecord } from "../../../shared/protocol/ledger.ts";
import { factsOf } from "../../../shared/protocol/ledger-facts.ts";
import type { Cluster, Described, Fleet, Seen } from "./fleet.ts";

/** Before the first beat of a term the cluster's partition is not known, so its clock is the joint one. */
const UNSEEN: Seen = { clock: 0, atMs: 0 };

export type Folded = "folded" | "older";

/** Folds one ledger record, for a standby and a new leader. */
export function foldLedger(
  fleet: Fleet,
  record: LedgerRecord,
  describe: (clientId: ClientId, value: string | null) => Described,
): Folded {
  const { epoch } = record.kind === "status" ? record.status : record.applied;
  fleet.epoch = Math.max(fleet.epoch, epoch);
  if (record.kind === "applied") {
    if (epoch < (fleet.applied.get(record.partition)?.epoch ?? 0)) return "older";
    if (record.applied.removed === true) fleet.applied.delete(record.partition);
    else fleet.applied.set(record.partition, record.applied);
    return "folded";
  }
  const { status } = record;
  const known = fleet.clusters.get(status.client_id);
  if (known !== undefined && epoch < known.epoch) return "older";
  fleet.clusters.set(status.client_id, fromStatus(status, describe));
  return "folded";
}

function fromStatus(
  status: ClusterStatus,
  describe: (clientId: ClientId, value: string | null) => Described,
): Cluster {
  const { client_id: clientId, state, reason, registry, worker } = status;
  const { clusterName, intervalSeconds } = describe(clientId, registry.value);
  return {
    clientId,
    epoch: status.epoch,
    state,
    reason,
    sinceMs: Date.parse(status.since) || 0,
    registry,
    withdrawal: status.withdrawal,
    groupKept: status.group_kept === true,
    worker,
    clusterName,
    intervalSeconds: intervalSeconds ?? status.heartbeat_interval_seconds,
    facts: factsOf(status),
    seen: UNSEEN,
    due: undefined,
    beaten: worker !== null && (state === "active" || reason === "silent"),
    released: false,
    returned: undefined,
    beat: undefined,
  };
}

export const toStatus = (cluster: Cluster, epoch: number): ClusterStatus => ({
  client_id: cluster.clientId,
  epoch,
  state: cluster.state,
  reason: cluster.reason,
  since: new Date(cluster.sinceMs).toISOString(),
  registry: cluster.registry,
  withdrawal: keepsWorker(cluster) ? "done" : cluster.withdrawal,
  ...(cluster.groupKept ? { group_kept: true } : {}),
  worker: cluster.worker,
  ...cluster.facts,
  // A group that had committed nothing: that it need not be asked again holds for this leader's term.
  ...(cluster.facts?.offsets?.topics.length === 0 ? { offsets: undefined } : {}),
});

/**
 * Withdrawn by history, its worker not yet gone. 0.1 does not know `group_kept`, and would delete the group
 * of a `pending` cluster; with `done` both versions stop the worker and leave the group alone.
 */
const keepsWorker = ({ groupKept, withdrawal, worker }: Cluster): boolean =>
  groupKept && withdrawal === "pending" && worker !== null && worker.state !== "blocked";
