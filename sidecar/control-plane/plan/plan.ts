/**
 * The plan for one cluster: from the facts to the next step. All branches of the decision are here, and
 * only here: one row of docs/reconcile.md per `return`; the first that matches wins.
 *
 * Pure: no clock, no I/O, no log. Properties, each tested in test/sidecar/control-plane/plan/plan.test.ts:
 *  - converged: carrying out the steps and planning again ends, and then yields none;
 *  - only what exists is stopped, only what is registered is started, never two of one name;
 *  - another fleet's worker is never acted on, and a foreign object only where it may be taken over;
 *  - silence never deletes a group.
 */

import type { Cluster } from "../fleet/fleet.ts";
import type { Foreign, Worker } from "../runtime/runtime.ts";

/** Why clean-ups and orphan stops wait; shown on the cluster. */
export type Hold =
  | "gap"
  | "brake"
  | "registry-made-again"
  | "registry-empty"
  | "registry-harmful"
  | "orphan-share";

export type PlanInput = {
  readonly cluster: Cluster | undefined;
  /** Past its last deadline by observed time of this term. */
  readonly expired: boolean;
  /** False if the runtime could not be listed: "unknown" is not "none". */
  readonly listed: boolean;
  /** Our workers, with this fleet's name or a former one. */
  readonly workers: readonly Worker[];
  readonly foreign: Foreign | undefined;
  readonly specHash: string;
  /** A worker has been starting or stopping past its deadline: its present state counts. */
  readonly changingTooLong: boolean;
  /** An act on this cluster is under way. */
  readonly busy: boolean;
  /** An act failed or the worker crashed recently, and the backoff is not over. */
  readonly backingOff: boolean;
  readonly holdCleanup: Hold | undefined;
  readonly holdOrphan: Hold | undefined;
  /** Only for a cluster that the registry's history withdrew. */
  readonly holdWithdrawal: Hold | undefined;
  /** Its worker carries a former name of the fleet. */
  readonly underAlias: boolean;
  /** It has been listed without a registration for one CLEANUP_TIMEOUT of observed time. */
  readonly orphanExpired: boolean;
  /** Withdrawn by history with a worker, and not yet silent for that long. */
  readonly awaitsSilence: boolean;
  /** Its worker exited before and runs for less than WORKER_MIN_READY: it may be in a crash loop. */
  readonly settling: boolean;
  /** Whether one more worker may be replaced now. */
  readonly replaceable: boolean;
  /** Whether one more exited worker may be started with a spec that has only failed so far. */
  readonly respawnable: boolean;
};

export type StopCause =
  | "withdrawn"
  | "dead"
  | "duplicate"
  | "exited"
  | "spec-changed"
  | "taken-over"
  | "orphan";

/** Whether a worker is stopped so that another one takes its place. */
export const isReplaced = (cause: StopCause): boolean =>
  cause === "spec-changed" || cause === "taken-over";

export type Step =
  | { readonly kind: "none"; readonly why: NoneReason }
  | { readonly kind: "wait"; readonly why: WaitReason }
  | { readonly kind: "start"; readonly cause: "spawn" }
  | { readonly kind: "stop"; readonly worker: Worker; readonly cause: StopCause }
  | { readonly kind: "delete-group" };

type NoneReason =
  | "converged"
  | "withdrawn"
  | "group-kept"
  | "dead"
  | "blocked"
  | "unregistered"
  | "under-alias"
  | "expired-later";
type WaitReason =
  | "not-listed"
  | "busy"
  | "changing"
  | "backoff"
  | "held-by-another"
  | "settling"
  | "replace-slot"
  | "failing-spec"
  | "orphan"
  | "silence"
  | Hold;

const none = (why: NoneReason): Step => ({ kind: "none", why });
const wait = (why: WaitReason): Step => ({ kind: "wait", why });
const stop = (worker: Worker, cause: StopCause): Step => ({ kind: "stop", worker, cause });

export function planCluster(input: PlanInput): Step {
  const { cluster, workers } = input;
  if (!input.listed) return wait("not-listed");
  if (input.busy) return wait("busy");
  const isChanging = workers.some(isOnItsWay);
  if (isChanging && !input.changingTooLong) return wait("changing");
  const newest = workers.length > 1 ? workers.toSorted(byAge).at(-1) : workers[0];
  if (cluster === undefined) return planOrphan(input, newest);
  if (cluster.withdrawal !== null) return planWithdrawn(input, cluster, newest);
  if (input.foreign !== undefined) return planForeign(input, cluster, input.foreign);
  if (newest !== undefined && workers.length > 1) {
    return input.backingOff ? wait("backoff") : stop(newest, "duplicate");
  }
  if (cluster.state === "dead") return planDead(input, newest);
  return planLive(input, cluster, newest);
}

/** Taken over only if an operator allowed it, and if ours would be started at once. */
function planForeign(input: PlanInput, cluster: Cluster, { takeOver }: Foreign): Step {
  const isFresh = cluster.state === "registered" || cluster.state === "active";
  if (takeOver === undefined || !isFresh) return none("blocked");
  if (input.backingOff) return wait("backoff");
  return input.replaceable ? stop(takeOver, "taken-over") : wait("replace-slot");
}

/** Fresh or stale; stale is only a warning. */
function planLive(input: PlanInput, cluster: Cluster, worker: Worker | undefined): Step {
  if (worker === undefined) {
    return input.backingOff ? wait("backoff") : { kind: "start", cause: "spawn" };
  }
  if (worker.held !== undefined) return wait("held-by-another");
  if (worker.state === "exited") {
    if (input.backingOff) return wait("backoff");
    const isCurrent = worker.specHash === input.specHash;
    return isCurrent || input.respawnable ? stop(worker, "exited") : wait("failing-spec");
  }
  if (worker.specHash === input.specHash || cluster.state === "stale") return none("converged");
  if (input.backingOff) return wait("backoff");
  if (input.settling) return wait("settling");
  return input.replaceable ? stop(worker, "spec-changed") : wait("replace-slot");
}

/** The consumer group is kept: after a beat or a registration the worker resumes at its committed offsets. */
function planDead(input: PlanInput, worker: Worker | undefined): Step {
  if (worker === undefined) return none("dead");
  if (worker.state === "exited") {
    return input.backingOff ? wait("backoff") : stop(worker, "dead");
  }
  if (!input.expired) return none("expired-later");
  if (input.holdCleanup !== undefined) return wait(input.holdCleanup);
  return input.backingOff ? wait("backoff") : stop(worker, "dead");
}

/**
 * No hold applies: somebody asked for the withdrawal, we did not conclude it. A tombstone of the history is
 * old, and may be one that was refused, left behind by compaction. So it stops no cluster that beats; in a
 * recreated registry it waits for an operator; and its group is always kept.
 */
function planWithdrawn(input: PlanInput, cluster: Cluster, worker: Worker | undefined): Step {
  if (worker === undefined && cluster.withdrawal === "done") return none("withdrawn");
  if (input.holdWithdrawal !== undefined) return wait(input.holdWithdrawal);
  if (input.awaitsSilence) return wait("silence");
  if (worker !== undefined) {
    return input.backingOff ? wait("backoff") : stop(worker, "withdrawn");
  }
  const { foreign, backingOff } = input;
  if (foreign === undefined || foreign.inert === true) {
    if (cluster.groupKept) return none("group-kept");
    return backingOff ? wait("backoff") : { kind: "delete-group" };
  }
  // It may be in the group, or return to it.
  const { takeOver } = foreign;
  if (takeOver === undefined) return none("blocked");
  return backingOff ? wait("backoff") : stop(takeOver, "withdrawn");
}

function planOrphan(input: PlanInput, worker: Worker | undefined): Step {
  if (worker === undefined) return none("unregistered");
  if (input.underAlias) return none("under-alias");
  if (input.holdOrphan !== undefined) return wait(input.holdOrphan);
  if (!input.orphanExpired) return wait("orphan");
  return input.backingOff ? wait("backoff") : stop(worker, "orphan");
}

const isOnItsWay = ({ state, held }: Worker): boolean =>
  state === "stopping" || (state === "starting" && held === undefined);

/** Oldest first; the instance breaks a tie, so that every leader chooses the same one. */
const byAge = (a: Worker, b: Worker): number =>
  a.startedAtMs - b.startedAtMs || (a.instance < b.instance ? -1 : 1);
