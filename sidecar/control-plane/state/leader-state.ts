/**
 * A leader's state: the fleet, what runs, and what is still to be planned, written or logged. The round
 * processes it; consumers and runtimes only add to it.
 */
import type { Audit } from "../../../shared/protocol/audit.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { LedgerWorker } from "../../../shared/protocol/ledger.ts";
import type { Expiry } from "../fleet/expiry.ts";
import type { Cluster, Fleet } from "../fleet/fleet.ts";
import type { Worker } from "../runtime/runtime.ts";
import type { Actual } from "./actual-state.ts";
import type { Backoffs } from "./backoff.ts";
import { openRollout, type Rollout } from "./rollout.ts";

/** Actions remembered per cluster, for the API. */
const RECENT_MAX = 5;

export type LeaderState = {
  readonly fleet: Fleet;
  readonly actual: Actual;
  readonly expiry: Expiry;
  readonly backoffs: Backoffs;
  /** To be planned in the next round. */
  readonly dirty: Set<ClientId>;
  /** Held back by a gap, the brake or an orphan's grace period: planned again when time advances. */
  readonly held: Set<ClientId>;
  /** Dead clusters without a worker, whose group's offsets are to be kept. */
  readonly unkept: Set<ClientId>;
  /** Written before the first listing, without a worker: to be written again after it. */
  readonly savedUnlisted: Set<ClientId>;
  /** Number of the last ledger record written, and the highest that was read back. */
  sequence: number;
  readSequence: number;
  /** To be written to the ledger in the next round. */
  readonly unsaved: Set<ClientId>;
  /** Registry partitions whose `_applied` is to be written. */
  readonly unsavedApplied: Set<number>;
  /** Clusters on which an act is under way, and of which kind. */
  readonly busy: Map<ClientId, "start" | "stop" | "delete-group">;
  /** Clusters whose next act waits for a free place among acts of its kind, or for a rollout's slot. */
  readonly queued: Readonly<Record<"start" | "stop" | "delete-group", Set<ClientId>>>;
  readonly queuedReplacements: Set<ClientId>;
  /** Clusters whose exited worker waits for its turn with a spec that fails. */
  readonly queuedRespawns: Set<ClientId>;
  /** The rollout to the wanted spec. */
  readonly rollout: Rollout;
  /** Since when, monotonic ms, a registration waits for its worker, and a tombstone for its end. */
  readonly spawnAsked: Map<ClientId, number>;
  readonly stopAsked: Map<ClientId, number>;
  /** Since when, monotonic ms, a member has kept a group from being deleted. */
  readonly groupHeldSince: Map<ClientId, number>;
  /** Observed ms on the joint clock when a worker was first listed without a registration. */
  readonly orphanSince: Map<ClientId, number>;
  /**
   * The same clock at the last beat of a cluster that history withdrew and whose worker runs; before a
   * beat, when that became known.
   */
  readonly withdrawnHeardMs: Map<ClientId, number>;
  /** Clusters whose worker's name is taken by something that is not ours, with what it is. */
  readonly blocked: Map<ClientId, string>;
  /** Those of them that have not been logged. */
  readonly blockedNews: Set<ClientId>;
  /** Orphans that may be stopped although there are many: an operator has accepted the registry. */
  readonly acceptedOrphans: Set<ClientId>;
  /** The registry was accepted before the first listing. */
  orphansAcceptedUnlisted: boolean;
  /** Since when, monotonic ms, a worker has been starting or stopping according to the listings. */
  readonly changingSince: Map<ClientId, number>;
  /** How often a cluster's worker exited by itself since it was registered. */
  readonly restarts: Map<ClientId, number>;
  /** When, monotonic ms, this leader started a worker; not known for an adopted one. */
  readonly startedAtMs: Map<ClientId, number>;
  readonly recent: Map<ClientId, readonly Audit[]>;
  /** Why the last act on a cluster failed; cleared when one succeeds. */
  readonly lastError: Map<ClientId, string>;
  /** Outcomes and decisions to be written to the audit. */
  readonly audits: Audit[];
};

type LeaderStateParts = Pick<LeaderState, "fleet" | "actual" | "expiry" | "backoffs"> & {
  readonly specHash: string;
};

export function openLeaderState({ specHash, ...parts }: LeaderStateParts): LeaderState {
  return {
    ...parts,
    rollout: openRollout(specHash),
    dirty: new Set(),
    held: new Set(),
    unkept: new Set(),
    savedUnlisted: new Set(),
    sequence: 0,
    readSequence: 0,
    unsaved: new Set(),
    unsavedApplied: new Set(),
    busy: new Map(),
    queued: { start: new Set(), stop: new Set(), "delete-group": new Set() },
    queuedReplacements: new Set(),
    queuedRespawns: new Set(),
    spawnAsked: new Map(),
    stopAsked: new Map(),
    groupHeldSince: new Map(),
    orphanSince: new Map(),
    withdrawnHeardMs: new Map(),
    blocked: new Map(),
    blockedNews: new Set(),
    acceptedOrphans: new Set(),
    orphansAcceptedUnlisted: false,
    changingSince: new Map(),
    restarts: new Map(),
    startedAtMs: new Map(),
    recent: new Map(),
    lastError: new Map(),
    audits: [],
  };
}

export function remember(leaderState: LeaderState, audit: Audit, clientId: ClientId): void {
  const before = leaderState.recent.get(clientId) ?? [];
  leaderState.recent.set(clientId, [...before, audit].slice(-RECENT_MAX));
}

/** It is dead, and no worker of it runs or is about to: nothing commits in its group any more. */
export function isGone({ fleet, actual, busy }: LeaderState, clientId: ClientId): boolean {
  const isDead = fleet.clusters.get(clientId)?.state === "dead";
  const runsNothing = actual.listed() && actual.workersOf(clientId).length === 0;
  return isDead && runsNothing && !busy.has(clientId);
}

/** A changed cluster must be written and planned again. */
export function touch(leaderState: LeaderState, cluster: Cluster): void {
  leaderState.unsaved.add(cluster.clientId);
  leaderState.dirty.add(cluster.clientId);
}

/**
 * Updates a cluster's `worker` to what runs. @returns true if it changed, so that it must be written
 */
export function syncWorker(leaderState: LeaderState, cluster: Cluster, runtime: string): boolean {
  const next = ledgerWorker(leaderState, cluster, runtime);
  const before = cluster.worker;
  const same =
    before === next ||
    (before !== null &&
      next !== null &&
      before.instance === next.instance &&
      before.state === next.state &&
      before.held === next.held &&
      before.restarts === next.restarts &&
      before.spec_hash === next.spec_hash);
  if (same) return false;
  cluster.worker = next;
  return true;
}

function ledgerWorker(
  leaderState: LeaderState,
  cluster: Cluster,
  runtime: string,
): LedgerWorker | null {
  const { clientId } = cluster;
  const worker = leaderState.actual.workersOf(clientId)[0];
  const restarts = leaderState.restarts.get(clientId) ?? 0;
  if (worker !== undefined) {
    const state = shownState(leaderState, worker);
    const { instance, specHash } = worker;
    const known = { runtime, instance, spec_hash: specHash, restarts, state };
    return worker.held === undefined ? known : { ...known, held: worker.held };
  }
  const blocked = leaderState.actual.foreignOf(clientId) !== undefined;
  if (!blocked || cluster.withdrawal === "done") return null;
  return { runtime, instance: "", spec_hash: "", restarts, state: "blocked" };
}

/** A worker that keeps exiting is in a crash loop, even while it waits for its next start. */
function shownState(leaderState: LeaderState, worker: Worker): LedgerWorker["state"] {
  const looping = leaderState.backoffs.failures(worker.clientId) >= CRASH_LOOP_SHOWN;
  return worker.state === "exited" && looping ? "crash-loop" : worker.state;
}

/** From this many exits in a row on it is called a crash loop. */
const CRASH_LOOP_SHOWN = 3;
