/** What the API shows of a cluster: from the leader's state, or from the ledger if we do not lead. */
import type { Audit } from "../../../shared/protocol/audit.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { groupOf } from "../../../shared/protocol/client-id.ts";
import type { LedgerWorker } from "../../../shared/protocol/ledger.ts";
import type { Stray } from "../../../shared/protocol/ledger-facts.ts";
import type { Cluster } from "../fleet/fleet.ts";
import { strayText } from "../fleet/stray.ts";
import type { Term } from "../leader/term.ts";
import { cleanupHold, type FleetConditions } from "../plan/input.ts";
import { workerNameOf } from "../worker/spec.ts";

export type ClusterView = {
  readonly client_id: ClientId;
  readonly cluster_name: string;
  readonly state: Cluster["state"];
  readonly reason: string;
  readonly since: string;
  readonly withdrawal: Cluster["withdrawal"];
  /** Observed seconds since the last sign of life; null if only the ledger is known. */
  readonly age_seconds: number | null;
  /** Why its clean-up waits; null if it does not. */
  readonly held: string | null;
  readonly last_heartbeat: {
    readonly received_at: string;
    readonly status: string | null;
    readonly reason: string | null;
    readonly skew_seconds: number | null;
    readonly sequence: number | null;
    readonly instance_id: string | null;
  } | null;
  readonly worker: {
    readonly name: string;
    readonly group: string;
    readonly runtime: string;
    readonly instance: string;
    readonly state: string;
    readonly restarts: number;
    /** What keeps it from running: `suspended by another`, `paused by another`. */
    readonly held: string | null;
  } | null;
  /** Two agents that beat in turn under this client id; null if there is only one. */
  readonly conflict: { readonly instances: readonly string[]; readonly since: string } | null;
  /** Members of its group that are not its worker; null if none was found. */
  readonly stray: Stray | null;
  readonly error: string | null;
  readonly registry: { readonly partition: number; readonly offset: number };
};

export type ClusterDetail = ClusterView & {
  readonly lag: Lag;
  readonly actions: readonly Audit[];
};

/** Records of cluster-info that the group has not committed; null, with the reason, if not known. */
export type Lag = { readonly records: number | null; readonly detail: string };

/** `conditions` are read once per request, because they count the whole fleet. */
export function viewCluster(
  cluster: Cluster,
  term: Term | undefined,
  conditions: FleetConditions | undefined,
): ClusterView {
  const { clientId, worker, beat, registry } = cluster;
  const held = term?.leaderState.held.has(clientId) === true;
  return {
    client_id: clientId,
    cluster_name: cluster.clusterName,
    state: cluster.state,
    reason: cluster.reason,
    since: new Date(cluster.sinceMs).toISOString(),
    withdrawal: cluster.withdrawal,
    age_seconds: term === undefined ? null : term.leaderState.expiry.ageMsOf(cluster) / 1000,
    held:
      term !== undefined && conditions !== undefined && held
        ? (cleanupHold(cluster, term.ages, conditions) ?? null)
        : null,
    last_heartbeat:
      beat === undefined
        ? null
        : {
            received_at: new Date(beat.atMs).toISOString(),
            status: beat.status ?? null,
            reason: beat.reason ?? null,
            skew_seconds: beat.skewMs === undefined ? null : beat.skewMs / 1000,
            sequence: beat.sequence ?? null,
            instance_id: beat.instanceId ?? null,
          },
    worker: worker && viewWorker(clientId, worker),
    conflict: cluster.facts?.conflict ?? null,
    stray: cluster.facts?.stray ?? null,
    error: term === undefined ? null : errorOf(cluster, term),
    registry: { partition: registry.partition, offset: registry.offset },
  };
}

const viewWorker = (clientId: ClientId, worker: LedgerWorker): ClusterView["worker"] => ({
  name: workerNameOf(clientId),
  group: groupOf(clientId),
  runtime: worker.runtime,
  instance: worker.instance,
  state: worker.state,
  restarts: worker.restarts,
  held: worker.held ?? null,
});

/** Why its last act failed, why its worker ended, or what holds its worker's name. */
function errorOf({ clientId, facts, worker }: Cluster, { leaderState }: Term): string | null {
  const foreign = leaderState.actual.foreignOf(clientId);
  const held = worker?.held && `its worker is ${worker.held}, and left alone until that ends`;
  const stray = facts?.stray && strayText(groupOf(clientId), facts.stray);
  return foreign?.detail ?? held ?? leaderState.lastError.get(clientId) ?? stray ?? null;
}
