/**
 * The fleet, folded: what the ledger, the registry and the heartbeats say of each cluster.
 *
 * Pure: times come in as values, and what must be written or looked at again is returned, not done.
 * Invariants (test/sidecar/control-plane/fleet/fleet.test.ts):
 *  - a refused record changes nothing, and an accepted one is never judged again;
 *  - a beat of an unregistered or withdrawn cluster makes no state;
 *  - the fold of the ledger that a fleet writes is that fleet, but for what only a leader remembers.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Heartbeat } from "../../../shared/protocol/heartbeat.ts";
import type {
  Accepted,
  Applied,
  LedgerWorker,
  Reason,
  State,
} from "../../../shared/protocol/ledger.ts";
import { type Facts, factsOf } from "../../../shared/protocol/ledger-facts.ts";
import type { Agents } from "./contest.ts";
import type { ClockIndex } from "./observed-time.ts";

/** A registration's own interval stretches the deadlines by these factors (docs/protocol.md). */
const STALE_INTERVALS = 4;
const DEAD_INTERVALS = 10;

export type FleetSettings = {
  readonly heartbeatTimeoutMs: number;
  readonly cleanupTimeoutMs: number;
};

/** A sign of life: on which clock, and that clock's observed time then. */
export type Seen = { readonly clock: ClockIndex; readonly atMs: number };

/** A beat as it was read. */
export type Beat = {
  readonly heartbeat: Heartbeat;
  /** Broker's append time less the sender's timestamp, in ms; undefined where one is missing. */
  readonly skewMs: number | undefined;
  readonly atMs: number;
};

/**
 * What is kept of a cluster's last beat: one object per cluster, written in place. Keeping what was
 * parsed would make each beat outlive its batch, and the collector's work half of the fold.
 */
export type LastBeat = Agents & {
  atMs: number;
  skewMs: number | undefined;
  sequence: number | undefined;
  status: string | undefined;
  reason: string | undefined;
  instanceId: string | undefined;
};

export type Cluster = {
  readonly clientId: ClientId;
  epoch: number;
  state: State;
  reason: Reason;
  sinceMs: number;
  registry: Accepted;
  withdrawal: "pending" | "done" | null;
  /** Withdrawn by a tombstone of the registry's history: its consumer group is left to expire. */
  groupKept: boolean;
  worker: LedgerWorker | null;
  clusterName: string;
  intervalSeconds: number | undefined;
  /** What few clusters have, and the ledger keeps. */
  facts: Facts | undefined;
  /** From here on: known to the leader alone. */
  seen: Seen;
  /** The one entry among the deadlines that counts; undefined while there is none. */
  due: Seen | undefined;
  /** Has sent a beat since its worker last started; the brake counts these. */
  beaten: boolean;
  /** An operator let it go although the brake holds. */
  released: boolean;
  /** When it was last heard again after its stale deadline; undefined: not in this term. */
  returned: Seen | undefined;
  beat: LastBeat | undefined;
};

export type Fleet = {
  readonly clusters: Map<ClientId, Cluster>;
  readonly applied: Map<number, Applied>;
  /** The highest epoch read; a record below it, of the same key, is ignored. */
  epoch: number;
};

/** Below the first epoch, which may be offset 0. */
const NO_EPOCH = -1;

export const createFleet = (): Fleet => ({
  clusters: new Map(),
  applied: new Map(),
  epoch: NO_EPOCH,
});

/** What the accepted text says about its cluster; the text was validated when it was accepted. */
export type Described = {
  readonly clusterName: string;
  readonly intervalSeconds: number | undefined;
};

const wasSilent = ({ state }: Cluster): boolean => state === "stale" || state === "dead";

function enter(cluster: Cluster, state: State, reason: Reason, nowMs: number): void {
  if (cluster.state !== state) cluster.sinceMs = nowMs;
  cluster.state = state;
  cluster.reason = reason;
}

/** A registration was accepted. It counts as a sign of life; a standing state is kept. */
export function foldRegistration(
  fleet: Fleet,
  accepted: Accepted & { readonly clientId: ClientId },
  described: Described,
  at: { readonly seen: Seen; readonly nowMs: number; readonly reason: Reason },
): Cluster {
  const { clientId, ...registry } = accepted;
  const known = fleet.clusters.get(clientId);
  if (known === undefined) {
    const made: Cluster = {
      ...described,
      clientId,
      epoch: 0,
      state: "registered",
      reason: at.reason,
      sinceMs: at.nowMs,
      registry,
      withdrawal: null,
      groupKept: false,
      worker: null,
      facts: undefined,
      seen: at.seen,
      due: undefined,
      beaten: false,
      released: false,
      returned: undefined,
      beat: undefined,
    };
    fleet.clusters.set(clientId, made);
    return made;
  }
  if (wasSilent(known)) known.returned = at.seen;
  Object.assign(known, described, { registry, seen: at.seen, released: false });
  // A kept group leaves nothing that a new life would have to wait for.
  if (known.withdrawal === "pending" && !known.groupKept) return known;
  known.withdrawal = null;
  known.groupKept = false;
  if (known.state !== "active") enter(known, "registered", at.reason, at.nowMs);
  else if (at.reason === "registration-beats-tombstone") known.reason = at.reason;
  return known;
}

/** A tombstone was accepted. Of a cluster that nobody registered there may still be a group to delete. */
export function foldTombstone(
  fleet: Fleet,
  accepted: Accepted & { readonly clientId: ClientId },
  at: { readonly seen: Seen; readonly nowMs: number; readonly groupKept: boolean },
): Cluster {
  const { clientId, ...registry } = accepted;
  const { groupKept } = at;
  const described = { clusterName: clientId, intervalSeconds: undefined };
  const known =
    fleet.clusters.get(clientId) ??
    foldRegistration(fleet, accepted, described, { ...at, reason: "tombstone" });
  const withdrawal = "pending" as const;
  Object.assign(known, described, { registry, withdrawal, groupKept, facts: undefined });
  enter(known, "withdrawn", "tombstone", at.nowMs);
  return known;
}

/** Its worker is confirmed gone, and its group unless that is kept: done, or on with the registration that came meanwhile. */
export function foldWithdrawn(cluster: Cluster, at: { seen: Seen; nowMs: number }): void {
  cluster.worker = null;
  cluster.beaten = false;
  if (cluster.registry.value === null) {
    cluster.withdrawal = "done";
    return;
  }
  cluster.withdrawal = null;
  cluster.groupKept = false;
  cluster.seen = at.seen;
  enter(cluster, "registered", "registration", at.nowMs);
}

/**
 * A beat of this cluster was read. One that was withdrawn makes no state.
 * @returns whether its state changed
 */
export function foldBeat(cluster: Cluster, seen: Seen, beat: Beat): boolean {
  if (cluster.state === "withdrawn") return false;
  cluster.seen = seen;
  keepBeat(cluster, beat);
  cluster.beaten = true;
  cluster.released = false;
  if (wasSilent(cluster)) cluster.returned = seen;
  if (cluster.state === "active") return false;
  enter(cluster, "active", "heartbeat", beat.atMs);
  return true;
}

function keepBeat(cluster: Cluster, { heartbeat, skewMs, atMs }: Beat): void {
  cluster.beat ??= { ...NO_BEAT };
  const { beat } = cluster;
  beat.atMs = atMs;
  beat.skewMs = skewMs;
  beat.sequence = heartbeat.sequence;
  // Equal texts are not exchanged: the one that is kept is old and stays where it is.
  if (beat.status !== heartbeat.status) beat.status = heartbeat.status;
  if (beat.reason !== heartbeat.reason) beat.reason = heartbeat.reason;
  if (beat.instanceId !== heartbeat.instance_id) beat.instanceId = heartbeat.instance_id;
}

const NO_BEAT: Readonly<LastBeat> = {
  atMs: 0,
  skewMs: undefined,
  sequence: undefined,
  status: undefined,
  reason: undefined,
  instanceId: undefined,
  lastInstance: undefined,
  contest: undefined,
};

/** Sets a fact of the ledger, or takes it away. */
export function setFact<Name extends keyof Facts>(
  cluster: Cluster,
  name: Name,
  fact: Facts[Name],
): void {
  if (cluster.facts?.[name] === undefined && fact === undefined) return;
  cluster.facts = factsOf({ ...cluster.facts, [name]: fact });
}

/** Silence: past the stale deadline, or past the last one. */
export function foldSilence(cluster: Cluster, state: "stale" | "dead", nowMs: number): void {
  setFact(cluster, "conflict", undefined);
  if (cluster.beat !== undefined) cluster.beat.contest = undefined;
  enter(cluster, state, cluster.beaten ? "silent" : "never-heard", nowMs);
}

export type ClusterDeadline = { readonly staleAfterMs: number; readonly deadAfterMs: number };

/** A cluster's own deadlines, in ms of observed silence. */
export function deadlineOf(cluster: Cluster, settings: FleetSettings): ClusterDeadline {
  const intervalMs = (cluster.intervalSeconds ?? 0) * 1000;
  return {
    staleAfterMs: Math.max(settings.heartbeatTimeoutMs, STALE_INTERVALS * intervalMs),
    deadAfterMs: Math.max(settings.cleanupTimeoutMs, DEAD_INTERVALS * intervalMs),
  };
}
