/** The planner's input about one cluster, and why clean-ups wait. Pure: only reads the leader's state. */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { type BrakeReading, readBrake } from "../fleet/brake.ts";
import { type Cluster, deadAfterMs } from "../fleet/fleet.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Worker } from "../runtime/runtime.ts";
import type { LeaderState } from "../state/leader-state.ts";
import { freeRespawns, freeSlots } from "../state/rollout.ts";
import { type OrphanReading, readOrphans } from "./orphan-share.ts";
import type { Hold, PlanInput } from "./plan.ts";

/** A worker that is starting or stopping for longer is stuck, and may be stopped. */
const CHANGING_MAX_MS = 60_000;

/** Conditions of the whole fleet in one round. */
export type FleetConditions = {
  /** Counted on first use: the cost of a round depends on what changed, not on the size of the fleet. */
  readonly brake: () => BrakeReading;
  /** Likewise. */
  readonly orphans: () => OrphanReading;
  /** The registry was recreated, and no operator has accepted it. */
  readonly registryMadeAgain: boolean;
  /** Not compacted: old registrations may be missing from it. */
  readonly registryHarmful: boolean;
  readonly specHash: string;
  readonly monotonicMs: number;
  readonly nowMs: number;
  readonly workerMinReadyMs: number;
  readonly cleanupTimeoutMs: number;
};

export function readConditions(
  leaderState: LeaderState,
  known: Omit<FleetConditions, "brake" | "orphans" | "registryMadeAgain"> & {
    readonly brakePercent: number;
  },
): FleetConditions {
  const { isSilent } = leaderState.expiry;
  const { brakePercent, ...rest } = known;
  let reading: BrakeReading | undefined;
  let orphans: OrphanReading | undefined;
  return {
    ...rest,
    brake: () => {
      reading ??= readBrake(leaderState.fleet.clusters.values(), isSilent, brakePercent);
      return reading;
    },
    orphans: () => {
      orphans ??= readOrphans(leaderState, brakePercent);
      return orphans;
    },
    registryMadeAgain: [...leaderState.fleet.applied.values()].some(({ held }) => held === true),
  };
}

/** Why a cluster past its last deadline is not cleaned up; undefined: it is. */
export function cleanupHold(
  cluster: Cluster,
  ages: Ages,
  conditions: FleetConditions,
): Hold | undefined {
  if (conditions.registryMadeAgain) return "registry-made-again";
  if (ages.inGap(cluster.seen.clock)) return "gap";
  return !cluster.released && conditions.brake().holds ? "brake" : undefined;
}

function orphanHold(
  leaderState: LeaderState,
  clientId: ClientId,
  ages: Ages,
  conditions: FleetConditions,
): Hold | undefined {
  if (conditions.registryMadeAgain) return "registry-made-again";
  if (conditions.registryHarmful) return "registry-harmful";
  if (!hasRegistration(leaderState)) return "registry-empty";
  if (!leaderState.acceptedOrphans.has(clientId) && conditions.orphans().holds)
    return "orphan-share";
  if (ages.inGap(ages.joint)) return "gap";
  return conditions.brake().holds ? "brake" : undefined;
}

/** Only for a cluster that history withdrew: any other tombstone is carried out at once. */
function withdrawalHold(
  { actual }: LeaderState,
  cluster: Cluster,
  ages: Ages,
  conditions: FleetConditions,
): Hold | undefined {
  if (!cluster.groupKept) return undefined;
  if (conditions.registryMadeAgain) return "registry-made-again";
  if (actual.workersOf(cluster.clientId).length === 0) return undefined;
  if (ages.inGap(ages.joint)) return "gap";
  return conditions.brake().holds ? "brake" : undefined;
}

export function hasRegistration(leaderState: LeaderState): boolean {
  for (const { registry } of leaderState.fleet.clusters.values())
    if (registry.value !== null) return true;
  return false;
}

/** How many more workers may be replaced now, and how many that exited be started with a spec that fails. */
export type Free = { readonly slots: number; readonly respawns: number };

export const readFree = ({ rollout, actual }: LeaderState, monotonicMs: number): Free => ({
  slots: freeSlots(rollout, actual.count(), monotonicMs),
  respawns: freeRespawns(rollout, monotonicMs),
});

export function planInputOf(
  leaderState: LeaderState,
  clientId: ClientId,
  ages: Ages,
  conditions: FleetConditions,
  free: Free,
): PlanInput {
  const { rollout, actual } = leaderState;
  const { monotonicMs } = conditions;
  const cluster = leaderState.fleet.clusters.get(clientId);
  const workers = actual.workersOf(clientId);
  const orphan = cluster === undefined && workers.length > 0;
  return {
    cluster,
    expired: cluster !== undefined && leaderState.expiry.ageOf(cluster) === "dead",
    listed: actual.listed(),
    workers,
    foreign: actual.foreignOf(clientId),
    specHash: conditions.specHash,
    changingTooLong: changedLongAgo(leaderState, clientId, monotonicMs),
    busy: leaderState.busy.has(clientId),
    backingOff: leaderState.backoffs.backingOff(clientId, monotonicMs),
    holdCleanup: cluster?.state === "dead" ? cleanupHold(cluster, ages, conditions) : undefined,
    holdWithdrawal: cluster && withdrawalHold(leaderState, cluster, ages, conditions),
    holdOrphan: orphan ? orphanHold(leaderState, clientId, ages, conditions) : undefined,
    underAlias: leaderState.actual.isUnderAlias(clientId),
    orphanExpired:
      orphan && isOver(leaderState.orphanSince.get(clientId), ages, conditions.cleanupTimeoutMs),
    awaitsSilence:
      cluster?.groupKept === true &&
      workers.length > 0 &&
      !isOver(
        leaderState.withdrawnHeardMs.get(clientId),
        ages,
        deadAfterMs(cluster, conditions.cleanupTimeoutMs),
      ),
    settling: workers.some((worker) => isSettling(worker, leaderState, conditions)),
    replaceable: free.slots > 0 || rollout.trials.has(clientId),
    respawnable: free.respawns > 0 || rollout.respawning.has(clientId),
  };
}

/** A grace period since then, on the joint clock; one that has not begun is not over. */
const isOver = (sinceMs: number | undefined, ages: Ages, graceMs: number): boolean =>
  sinceMs !== undefined && ages.observedMs(ages.joint) - sinceMs > graceMs;

/**
 * Whether it has exited before and was started again only recently: it may be in a crash loop. This
 * compares the runtime's clock with ours, but only affects the order of replacements: if the runtime's
 * clock is ahead, the worker counts as settled.
 */
function isSettling(
  { startedAtMs, clientId }: Worker,
  { restarts }: LeaderState,
  { nowMs, workerMinReadyMs }: FleetConditions,
): boolean {
  const ranMs = nowMs - startedAtMs;
  return (restarts.get(clientId) ?? 0) > 0 && ranMs >= 0 && ranMs < workerMinReadyMs;
}

const changedLongAgo = (
  leaderState: LeaderState,
  clientId: ClientId,
  monotonicMs: number,
): boolean =>
  monotonicMs - (leaderState.changingSince.get(clientId) ?? monotonicMs) > CHANGING_MAX_MS;
