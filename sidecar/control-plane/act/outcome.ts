/**
 * What the outcome of an act, a listing or an exit changes in the leader's state. No I/O; monotonic and
 * wall times come in as values, and events for the metrics are passed to `tell`.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { type Cluster, foldWithdrawn, type Seen, setFact } from "../fleet/fleet.ts";
import type { Act, ActError, ActOutcome } from "../plan/act.ts";
import { isReplaced } from "../plan/plan.ts";
import type { Worker } from "../runtime/runtime.ts";
import type { Changes } from "../state/actual-state.ts";
import { PATIENT_MAX_MS } from "../state/backoff.ts";
import { type LeaderState, syncWorker, touch } from "../state/leader-state.ts";
import { forget, isUnproven, noteFailure, noteRuns, noteUnprepared } from "../state/rollout.ts";
import { workerNamesOf } from "../worker/spec.ts";
import { groupHeld } from "./held-group.ts";

export type TimeReading = {
  readonly monotonicMs: number;
  readonly nowMs: number;
  /** The joint clock's present time, for a new sign of life. */
  readonly seen: Seen;
};

/** What the metrics count. */
export type Event =
  | { readonly kind: "spawned"; readonly afterMs: number | undefined }
  | { readonly kind: "stopped"; readonly afterMs: number | undefined }
  | { readonly kind: "cleaned" }
  | { readonly kind: "failed"; readonly action: Act["kind"] }
  | { readonly kind: "exited" };

export type Report = (event: Event) => void;

export type Outcomes = { readonly runtime: string; readonly tell: Report };

export function foldOutcome(
  leaderState: LeaderState,
  act: Act,
  outcome: ActOutcome,
  at: TimeReading,
  { runtime, tell }: Outcomes,
): void {
  const { clientId } = act;
  leaderState.busy.delete(clientId);
  leaderState.dirty.add(clientId);
  const cluster = leaderState.fleet.clusters.get(clientId);
  switch (outcome.kind) {
    case "started":
      started(leaderState, cluster, outcome.worker, at, tell);
      break;
    case "stopped":
      if (act.kind === "stop") stopped(leaderState, act, at, tell);
      break;
    case "group-deleted":
      if (cluster !== undefined) {
        setFact(cluster, "stray", undefined);
        endWithdrawal(leaderState, cluster, at);
        tell({ kind: "cleaned" });
      }
      break;
    case "failed":
      failed(leaderState, act, outcome.error, at, tell);
      break;
  }
  if (cluster !== undefined && syncWorker(leaderState, cluster, runtime))
    leaderState.unsaved.add(clientId);
}

function started(
  leaderState: LeaderState,
  cluster: Cluster | undefined,
  worker: Worker,
  at: TimeReading,
  tell: Report,
): void {
  const { clientId } = worker;
  leaderState.actual.started(worker);
  noteRuns(leaderState.rollout, worker, at.monotonicMs);
  leaderState.lastError.delete(clientId);
  leaderState.startedAtMs.set(clientId, at.monotonicMs);
  const askedMs = leaderState.spawnAsked.get(clientId);
  leaderState.spawnAsked.delete(clientId);
  tell({
    kind: "spawned",
    afterMs: askedMs === undefined ? undefined : at.monotonicMs - askedMs,
  });
  if (cluster === undefined) return;
  leaderState.unsaved.add(clientId);
  // If they were needed, they are in the group again, and the worker goes on from there.
  setFact(cluster, "offsets", undefined);
}

function stopped(
  leaderState: LeaderState,
  act: Extract<Act, { kind: "stop" }>,
  at: TimeReading,
  tell: Report,
): void {
  const { clientId, cause, worker } = act;
  leaderState.actual.gone(worker);
  if (cause !== "exited") leaderState.lastError.delete(clientId);
  leaderState.orphanSince.delete(clientId);
  leaderState.acceptedOrphans.delete(clientId);
  leaderState.changingSince.delete(clientId);
  if (isReplaced(cause)) leaderState.rollout.unprepared = undefined;
  const cluster = leaderState.fleet.clusters.get(clientId);
  const endsHere = cause === "withdrawn" && cluster?.groupKept === true;
  if (cause === "dead" || cause === "orphan" || endsHere) tell({ kind: "cleaned" });
  if (cause === "dead" && cluster !== undefined) {
    cluster.beaten = false;
    leaderState.unkept.add(clientId);
  }
  if (isReplaced(cause) && cluster !== undefined) {
    setFact(cluster, "replaced_for", act.successor?.specHash);
    leaderState.unsaved.add(clientId);
  }
  if (cause !== "withdrawn") return;
  const askedMs = leaderState.stopAsked.get(clientId);
  leaderState.stopAsked.delete(clientId);
  tell({ kind: "stopped", afterMs: askedMs === undefined ? undefined : at.monotonicMs - askedMs });
}

/** These withdrawn clusters are done: their groups are left to expire. */
export function foldGroupsKept(
  leaderState: LeaderState,
  clientIds: readonly ClientId[],
  at: TimeReading,
): void {
  for (const clientId of clientIds) {
    const cluster = leaderState.fleet.clusters.get(clientId);
    if (cluster !== undefined) endWithdrawal(leaderState, cluster, at);
  }
}

/** Done, or goes on with the registration that came meanwhile. */
function endWithdrawal(leaderState: LeaderState, cluster: Cluster, at: TimeReading): void {
  const { clientId } = cluster;
  foldWithdrawn(cluster, at);
  leaderState.backoffs.succeeded(clientId);
  for (const map of [
    leaderState.lastError,
    leaderState.restarts,
    leaderState.startedAtMs,
    leaderState.stopAsked,
    leaderState.groupHeldSince,
  ]) {
    map.delete(clientId);
  }
  leaderState.expiry.schedule(cluster);
  touch(leaderState, cluster);
}

function failed(
  leaderState: LeaderState,
  act: Act,
  error: ActError,
  at: TimeReading,
  tell: Report,
): void {
  const { clientId } = act;
  if (act.kind === "stop" && !UNANSWERED.includes(error.code)) {
    forget(leaderState.rollout, clientId);
  }
  if (error.code === "dropped") return;
  if (error.code === "unprepared") {
    noteUnprepared(leaderState.rollout, clientId, error.detail, at.monotonicMs);
    tell({ kind: "failed", action: act.kind });
    return;
  }
  if (act.kind === "start" && HOPELESS.includes(error.code)) {
    noteFailure(leaderState.rollout, clientId, error.detail, at.monotonicMs);
  }
  if (error.code === "ended") countExit(leaderState, act.clientId);
  if (error.instance !== undefined) leaderState.actual.ended(act.clientId, error.instance);
  leaderState.lastError.set(act.clientId, error.detail);
  const maxMs = error.code === "no-image" ? PATIENT_MAX_MS : undefined;
  const cluster = leaderState.fleet.clusters.get(act.clientId);
  if (error.code === "group-not-empty" && cluster !== undefined) {
    if (groupHeld(leaderState, cluster, error.members, at)) endWithdrawal(leaderState, cluster, at);
  } else leaderState.backoffs.failed(act.clientId, at.monotonicMs, maxMs);
  tell({ kind: "failed", action: act.kind });
}

/** For a stop: the worker may be gone nevertheless. */
const UNANSWERED: readonly ActError["code"][] = ["timeout", "defect"];

/** For a start: waiting alone will not make it run. One that is only late has not failed. */
const HOPELESS: readonly ActError["code"][] = ["ended", "refused", "invalid-spec", "no-image"];

const countExit = (leaderState: LeaderState, clientId: ClientId): void => {
  leaderState.restarts.set(clientId, (leaderState.restarts.get(clientId) ?? 0) + 1);
};

/** Applies a listing. */
export function foldChanges(
  leaderState: LeaderState,
  changes: Changes,
  at: TimeReading,
  outcomes: Outcomes,
): void {
  for (const worker of new Set([
    ...changes.exits,
    ...exitsBeforeTerm(leaderState, changes.changed),
  ])) {
    // The outcome of an act reports exits during it.
    if (!leaderState.busy.has(worker.clientId)) exited(leaderState, worker, at, outcomes.tell);
  }
  if (changes.foreign.size > 0) touchNamed(leaderState, changes.foreign, outcomes.runtime);
  for (const clientId of changes.changed) {
    leaderState.dirty.add(clientId);
    const cluster = leaderState.fleet.clusters.get(clientId);
    noteRunning(leaderState, clientId);
    keepTimes(leaderState, clientId, cluster === undefined, at);
    if (cluster !== undefined && syncWorker(leaderState, cluster, outcomes.runtime)) {
      leaderState.unsaved.add(clientId);
    }
  }
}

/**
 * Workers that are running according to the ledger, and exited in this term's first listing: they ended
 * while no control plane led, so their exits were not counted yet.
 */
function exitsBeforeTerm(leaderState: LeaderState, changed: Changes["changed"]): readonly Worker[] {
  return [...changed].flatMap((clientId) => {
    const known = leaderState.fleet.clusters.get(clientId)?.worker;
    if (known?.state !== "running" && known?.state !== "starting") return [];
    return leaderState.actual
      .workersOf(clientId)
      .filter(({ state, instance }) => state === "exited" && instance === known.instance);
  });
}

/** It runs, whoever started it: an earlier failure to start is over, and the kept offsets of its group are old. */
function noteRunning(leaderState: LeaderState, clientId: ClientId): void {
  const { actual, busy, lastError, fleet, unsaved } = leaderState;
  if (!actual.workersOf(clientId).some(({ state }) => state === "running")) return;
  if (!busy.has(clientId)) lastError.delete(clientId);
  const cluster = fleet.clusters.get(clientId);
  if (cluster?.facts?.offsets === undefined) return;
  setFact(cluster, "offsets", undefined);
  unsaved.add(clientId);
}

/** Since when a worker is an orphan, or has been changing. */
function keepTimes(
  leaderState: LeaderState,
  clientId: ClientId,
  isUnregistered: boolean,
  at: TimeReading,
): void {
  const workers = leaderState.actual.workersOf(clientId);
  const keep = (since: Map<ClientId, number>, holds: boolean, nowMs: number): void => {
    if (!holds) since.delete(clientId);
    else if (!since.has(clientId)) since.set(clientId, nowMs);
  };
  const isChanging = workers.some(({ state }) => state === "starting" || state === "stopping");
  keep(leaderState.changingSince, isChanging, at.monotonicMs);
  keep(leaderState.orphanSince, isUnregistered && workers.length > 0, at.seen.atMs);
}

/** Something foreign took a worker's name, or released it. */
function touchNamed(leaderState: LeaderState, names: ReadonlySet<string>, runtime: string): void {
  for (const cluster of leaderState.fleet.clusters.values()) {
    if (!workerNamesOf(cluster.clientId).some((name) => names.has(name))) continue;
    syncWorker(leaderState, cluster, runtime);
    touch(leaderState, cluster);
  }
}

/** It exited by itself: after a stop of ours it would not be in the listing. */
function exited(leaderState: LeaderState, worker: Worker, at: TimeReading, tell: Report): void {
  const { clientId } = worker;
  const startedMs = leaderState.startedAtMs.get(clientId);
  const ranMs = startedMs === undefined ? 0 : at.monotonicMs - startedMs;
  leaderState.backoffs.exited(clientId, at.monotonicMs, ranMs);
  countExit(leaderState, clientId);
  const after = startedMs === undefined ? "" : ` after ${(ranMs / 1000).toFixed(1)} s`;
  const why = `its worker ${exitText(worker.exit)}${after}`;
  const { rollout } = leaderState;
  if (worker.specHash === rollout.specHash && isUnproven(rollout, clientId)) {
    noteFailure(rollout, clientId, why, at.monotonicMs);
  }
  leaderState.lastError.set(clientId, why);
  tell({ kind: "exited" });
}

export const exitText = (exit: Worker["exit"] = "unknown"): string =>
  exit === "oom" ? "was killed at its memory limit (GB_MEMORY_LIMIT)" : `exited (${exit})`;

/** Marks all clusters and workers to be planned again: after promotion, and on each resync. */
export function touchAll(leaderState: LeaderState, runtime: string): void {
  for (const cluster of leaderState.fleet.clusters.values()) {
    if (syncWorker(leaderState, cluster, runtime)) leaderState.unsaved.add(cluster.clientId);
    if (cluster.withdrawal !== "done") leaderState.dirty.add(cluster.clientId);
  }
  for (const clientId of leaderState.actual.clientIds()) leaderState.dirty.add(clientId);
}
