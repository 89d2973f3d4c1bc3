/**
 * The fleet: what the ledger, the registry and the heartbeats say about each cluster.
 *
 * Pure: times come in as values, and what must be written or planned again is returned, not done.
 * Invariants (test/sidecar/control-plane/fleet/fleet.test.ts):
 *  - a refused record changes nothing, and an accepted one is never judged again;
 *  - a beat of an unregistered or withdrawn cluster creates no state;
 *  - folding the ledger that a fleet writes gives that fleet again, except for what only a leader remembers.
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

/** A registration's own interval extends the deadlines by these factors (docs/protocol.md). */
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
  /** The broker's append time minus the sender's timestamp, in ms; undefined if one is missing. */
  readonly skewMs: number | undefined;
  readonly atMs: number;
};

/**
 * What is kept of a cluster's last beat: one object per cluster, updated in place. If parsed beats were
 * kept, each would outlive its batch, and garbage collection would take half of the fold's time.
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
  /** Withdrawn by a tombstone in the registry's history: its consumer group is left to expire. */
  groupKept: boolean;
  worker: LedgerWorker | null;
  clusterName: string;
  intervalSeconds: number | undefined;
  /** Rare facts that the ledger keeps. */
  facts: Facts | undefined;
  /** The following fields are known only to the leader. */
  seen: Seen;
  /** The valid entry among the deadlines; undefined if there is none. */
  due: Seen | undefined;
  /** Has beaten since its worker last started; the brake counts these. */
  beaten: boolean;
  /** An operator released it although the brake holds. */
  released: boolean;
  /** When it last returned after its stale deadline; undefined: not in this term. */
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

/** Reads the accepted text, which was validated when it was accepted. */
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

/** A registration was accepted. It counts as a sign of life; an `active` state is kept. */
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
      clientId,
      epoch: 0,
      state: "registered",
      reason: at.reason,
      sinceMs: at.nowMs,
      registry,
      withdrawal: null,
      groupKept: false,
      worker: null,
      clusterName: described.clusterName,
      intervalSeconds: described.intervalSeconds,
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
  setFact(known, "heartbeat_interval_seconds", undefined);
  // If the group is kept, a new registration has nothing to wait for.
  if (known.withdrawal === "pending" && !known.groupKept) return known;
  known.withdrawal = null;
  known.groupKept = false;
  if (known.state !== "active") enter(known, "registered", at.reason, at.nowMs);
  else if (at.reason === "registration-beats-tombstone") known.reason = at.reason;
  return known;
}

/** A tombstone was accepted. Even an unregistered cluster may still have a group to delete. */
export function foldTombstone(
  fleet: Fleet,
  accepted: Accepted & { readonly clientId: ClientId },
  at: {
    readonly seen: Seen;
    readonly nowMs: number;
    readonly groupKept: boolean;
    /** Of a registration before it that was read together with it. */
    readonly intervalSeconds: number | undefined;
  },
): Cluster {
  const { clientId, ...registry } = accepted;
  const { groupKept } = at;
  const before = fleet.clusters.get(clientId);
  // A history's tombstone may be one that was refused: how rarely its cluster beats still counts.
  const intervals = [at.intervalSeconds, before?.intervalSeconds].filter(
    (one) => one !== undefined,
  );
  const intervalSeconds = groupKept && intervals.length > 0 ? Math.max(...intervals) : undefined;
  const described = { clusterName: clientId, intervalSeconds };
  const known =
    before ?? foldRegistration(fleet, accepted, described, { ...at, reason: "tombstone" });
  const withdrawal = "pending" as const;
  Object.assign(known, described, { registry, withdrawal, groupKept, facts: undefined });
  setFact(known, "heartbeat_interval_seconds", intervalSeconds);
  enter(known, "withdrawn", "tombstone", at.nowMs);
  return known;
}

/**
 * Its worker is confirmed gone, and so is its group, unless that is kept. The withdrawal is done, or the
 * cluster goes on with the registration that came meanwhile.
 */
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
 * A beat of this cluster was read. It does not change the state of a withdrawn cluster. @returns whether
 * its state changed
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
  // An equal text is not replaced, so that the old string stays in memory and the new one can be collected.
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

/** Sets or removes a fact of the ledger. */
export function setFact<Name extends keyof Facts>(
  cluster: Cluster,
  name: Name,
  fact: Facts[Name],
): void {
  if (cluster.facts?.[name] === undefined && fact === undefined) return;
  cluster.facts = factsOf({ ...cluster.facts, [name]: fact });
}

/** The cluster is silent: past its stale deadline, or past its last one. */
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
    deadAfterMs: deadAfterMs(cluster, settings.cleanupTimeoutMs),
  };
}

export const deadAfterMs = (
  { intervalSeconds = 0 }: Pick<Cluster, "intervalSeconds">,
  cleanupTimeoutMs: number,
): number => Math.max(cleanupTimeoutMs, DEAD_INTERVALS * intervalSeconds * 1000);
