/**
 * Plans what is dirty: which acts begin now, and what every other cluster waits for. Pure except for the
 * leader's state.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { LeaderState } from "../state/leader-state.ts";
import { forget } from "../state/rollout.ts";
import { type WorkerSettings, workerSpec } from "../worker/spec.ts";
import type { Act } from "./act.ts";
import { type FleetConditions, planInputOf, readFree } from "./input.ts";
import { isReplaced, planCluster, type Step } from "./plan.ts";

/** How many acts may be under way at the same time; further ones stay dirty until one ends. */
export const ACTS_AT_ONCE_MAX = {
  start: 32,
  stop: 256,
  "delete-group": 32,
} as const satisfies Record<Act["kind"], number>;

export type PlanDeps = {
  readonly leaderState: LeaderState;
  readonly ages: Ages;
  readonly worker: WorkerSettings;
};

export type Planned = {
  readonly acts: readonly Act[];
  /** Withdrawn clusters whose worker is gone and whose group is left to expire: nothing is left to do. */
  readonly groupsKept: readonly ClientId[];
};

/**
 * Plans what is dirty, each cluster once: it comes back when what it waits for has happened. An act
 * for which there is no room queues until one of its kind ends; a round costs what changed.
 */
export function plannedActs(deps: PlanDeps, conditions: FleetConditions): Planned {
  const { leaderState } = deps;
  const room = openRoom(leaderState, conditions.monotonicMs);
  const acts: Act[] = [];
  const groupsKept: ClientId[] = [];
  for (const clientId of leaderState.dirty) {
    const step = planCluster(planInputOf(leaderState, clientId, deps.ages, conditions, room));
    const next = toAct(deps, clientId, step, conditions.specHash);
    if (next === undefined) {
      settle(deps, clientId, step);
      if (step.kind === "none" && step.why === "group-kept") groupsKept.push(clientId);
    } else if (room.acts[next.kind] > 0) {
      acts.push(next);
      takeRoom(room, next, leaderState);
    } else {
      leaderState.dirty.delete(clientId);
      leaderState.queued[next.kind].add(clientId);
    }
  }
  return { acts, groupsKept };
}

export const replaces = (act: Act): boolean => act.kind === "stop" && isReplaced(act.cause);

/** Whether its worker exited with another spec than the wanted one. */
export const respawns = (act: Act): boolean =>
  act.kind === "stop" && act.cause === "exited" && act.successor !== undefined;

/** An act of this kind begins. */
export function takeRoom(room: Room, act: Act, { rollout }: LeaderState): void {
  room.acts[act.kind] -= 1;
  if (replaces(act) && !rollout.trials.has(act.clientId)) room.slots -= 1;
  if (respawns(act) && !rollout.respawning.has(act.clientId)) room.respawns -= 1;
}

export type Room = { readonly acts: Record<Act["kind"], number>; slots: number; respawns: number };

/** How many acts of each kind may begin; as many of those that queue are made dirty again. */
export function openRoom(leaderState: LeaderState, monotonicMs: number): Room {
  const acts: Record<Act["kind"], number> = { ...ACTS_AT_ONCE_MAX };
  for (const kind of leaderState.busy.values()) acts[kind] -= 1;
  for (const kind of ["start", "stop", "delete-group"] as const) {
    readmit(leaderState, leaderState.queued[kind], acts[kind]);
  }
  const free = readFree(leaderState, monotonicMs);
  readmit(leaderState, leaderState.queuedReplacements, free.slots);
  readmit(leaderState, leaderState.queuedRespawns, free.respawns);
  return { acts, ...free };
}

function readmit(leaderState: LeaderState, queue: Set<ClientId>, countMax: number): void {
  let left = countMax;
  for (const clientId of queue) {
    if (left <= 0) return;
    left -= 1;
    queue.delete(clientId);
    leaderState.dirty.add(clientId);
  }
}

/** Records what a cluster without an act waits for, so that it is planned again only then. */
function settle({ leaderState, ages }: PlanDeps, clientId: ClientId, step: Step): void {
  leaderState.dirty.delete(clientId);
  noteBlocked(leaderState, clientId, step);
  if (step.kind === "none" && step.why !== "converged") forget(leaderState.rollout, clientId);
  if (step.kind === "none") leaderState.withdrawnHeardMs.delete(clientId);
  if (step.kind !== "wait") return;
  switch (step.why) {
    // The first listing, the outcome of the act, a listing or resync, the end of the backoff.
    case "not-listed":
    case "busy":
    case "changing":
    case "backoff":
    // The next resync, or a listing.
    case "settling":
    case "held-by-another":
      return;
    case "failing-spec":
      leaderState.queuedRespawns.add(clientId);
      return;
    case "replace-slot":
      leaderState.queuedReplacements.add(clientId);
      return;
    case "orphan":
      leaderState.held.add(clientId);
      return;
    case "silence":
      leaderState.held.add(clientId);
      if (!leaderState.withdrawnHeardMs.has(clientId)) {
        leaderState.withdrawnHeardMs.set(clientId, ages.observedMs(ages.joint));
      }
      return;
    case "gap":
    case "brake":
    case "registry-made-again":
    case "registry-empty":
    case "registry-harmful":
    case "orphan-share":
      leaderState.held.add(clientId);
      // An orphan's grace period begins when nothing holds it any more.
      if (!leaderState.fleet.clusters.has(clientId)) {
        leaderState.orphanSince.set(clientId, ages.observedMs(ages.joint));
      }
  }
}

/** Each is logged once, and again when something else has the name. */
function noteBlocked(leaderState: LeaderState, clientId: ClientId, step: Step): void {
  if (step.kind !== "none" || step.why !== "blocked") {
    leaderState.blocked.delete(clientId);
    return;
  }
  const detail = leaderState.actual.foreignOf(clientId)?.detail ?? "";
  if (leaderState.blocked.get(clientId) === detail) return;
  leaderState.blocked.set(clientId, detail);
  leaderState.blockedNews.add(clientId);
}

export function toAct(
  { leaderState, worker }: Pick<PlanDeps, "leaderState" | "worker">,
  clientId: ClientId,
  step: Step,
  specHash: string,
): Act | undefined {
  switch (step.kind) {
    case "none":
    case "wait":
      return undefined;
    case "start":
      return {
        kind: "start",
        clientId,
        spec: workerSpec(clientId, worker, specHash),
        offsets: leaderState.fleet.clusters.get(clientId)?.facts?.offsets,
      };
    case "stop":
      return stopOf(worker, clientId, step, specHash);
    case "delete-group":
      return { kind: "delete-group", clientId };
  }
}

/** A worker that is replaced for another spec: its act names the successor's. */
function stopOf(
  worker: WorkerSettings,
  clientId: ClientId,
  { worker: stopped, cause }: Extract<Step, { kind: "stop" }>,
  specHash: string,
): Act {
  const act = { kind: "stop", clientId, worker: stopped, cause } as const;
  const isSucceeded = isReplaced(cause) || (cause === "exited" && stopped.specHash !== specHash);
  return isSucceeded ? { ...act, successor: workerSpec(clientId, worker, specHash) } : act;
}
