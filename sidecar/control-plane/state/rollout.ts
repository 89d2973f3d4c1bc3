/**
 * A rollout: workers with another spec are replaced, and the number at a time depends on what runs. Pure,
 * except that `fold…` and `note…` change the rollout they are given.
 *
 * Invariants (test/sidecar/control-plane/state/rollout.test.ts):
 *  - a slot is held from the stop of a worker until this leader has seen its successor run for
 *    WORKER_MIN_READY, by its own clock, and in listings that began after that;
 *  - there is one slot until one worker of this spec has run so long; then one more than the workers that
 *    have, up to a hundredth of the fleet, but at least five: so a spec that does not run halts at its
 *    first worker;
 *  - a worker that only waits (pending, young) has not failed; one that failed has, until it has run so long.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { InstanceId, Worker } from "../runtime/runtime.ts";

/** For a fleet of up to 500; for a larger one, a hundredth of it. */
const REPLACED_AT_ONCE_LEAST = 5;
const FLEET_PART = 100;

/** When an exited worker starts while the spec fails: after 1 s, doubling to a minute. */
const PACE_BASE_MS = 1_000;
const PACE_MAX_MS = 60_000;
/** When to check again for what a successor needs, such as its image: after 5 s, doubling to five minutes. */
const PREPARE_BASE_MS = 5_000;
const PREPARE_MAX_MS = 300_000;

export type Rollout = {
  /** The wanted spec. */
  readonly specHash: string;
  /** Workers of the wanted spec that this leader has not yet seen running for WORKER_MIN_READY. */
  readonly young: Map<ClientId, { readonly instance: InstanceId; readonly sinceMs: number }>;
  /** Clusters that hold a slot, because their worker was replaced; with why the successor failed, if it did. */
  readonly trials: Map<ClientId, string | undefined>;
  /** Clusters whose worker exited with another spec and is started with the wanted one while that fails. */
  readonly respawning: Set<ClientId>;
  /** Workers of the wanted spec that have run so long, in the last listing. */
  proven: number;
  /** How many workers of the wanted spec failed in a row, and until when the next exited one waits. */
  failures: number;
  respawnAtMs: number;
  /** What a successor needs is missing: no worker is stopped for one. */
  unprepared: Unprepared | undefined;
};

type Unprepared = {
  readonly clientId: ClientId;
  readonly reason: string;
  readonly failures: number;
  readonly againAtMs: number;
};

export const openRollout = (specHash: string): Rollout => ({
  specHash,
  young: new Map(),
  trials: new Map(),
  respawning: new Set(),
  proven: 0,
  failures: 0,
  respawnAtMs: 0,
  unprepared: undefined,
});

const doubled = (baseMs: number, maxMs: number, failures: number): number =>
  Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));

/** How many workers may be between their replacement and WORKER_MIN_READY. */
export const slotsOf = ({ proven }: Rollout, workers: number): number =>
  Math.min(
    Math.max(REPLACED_AT_ONCE_LEAST, Math.floor(workers / FLEET_PART)),
    // One, three, seven proven: two, four, eight slots.
    proven + 1,
  );

/** @returns how many more may be stopped for a successor now */
export function freeSlots(rollout: Rollout, workers: number, nowMs: number): number {
  const { unprepared, trials } = rollout;
  if (unprepared !== undefined && nowMs < unprepared.againAtMs) return 0;
  return Math.max(0, slotsOf(rollout, workers) - trials.size);
}

/** Whether no worker of this spec has run long enough, and one has failed. */
const isFailing = ({ proven, failures }: Rollout): boolean => proven === 0 && failures > 0;

/** @returns how many more exited workers of another spec may be started with the wanted one now */
export function freeRespawns(rollout: Rollout, nowMs: number): number {
  if (!isFailing(rollout)) return Number.POSITIVE_INFINITY;
  return rollout.respawning.size === 0 && nowMs >= rollout.respawnAtMs ? 1 : 0;
}

export type Halt = { readonly clientId: ClientId; readonly reason: string };

/** Why no more workers are replaced although none is pending; undefined: it goes on, or there is no rollout. */
export function haltOf(rollout: Rollout, workers: number): Halt | undefined {
  if (rollout.unprepared !== undefined) return rollout.unprepared;
  const { trials } = rollout;
  if (trials.size === 0 || trials.size < slotsOf(rollout, workers)) return undefined;
  let first: Halt | undefined;
  for (const [clientId, reason] of trials) {
    if (reason === undefined) return undefined;
    first ??= { clientId, reason };
  }
  return first;
}

export const describeHalt = ({ clientId, reason }: Halt, { specHash }: Rollout): string =>
  `rollout halted: ${clientId} with spec ${specHash}: ${reason}`;

/** A worker of the wanted spec failed before it had run long enough. */
export function noteFailure(
  rollout: Rollout,
  clientId: ClientId,
  reason: string,
  nowMs: number,
): void {
  const { trials, respawning } = rollout;
  const isFirst = trials.has(clientId) && trials.get(clientId) === undefined;
  if (trials.has(clientId)) trials.set(clientId, reason);
  rollout.young.delete(clientId);
  // A worker that keeps failing must not delay the others.
  if (!respawning.delete(clientId) && !isFirst && rollout.failures > 0) return;
  rollout.failures += 1;
  rollout.respawnAtMs = nowMs + doubled(PACE_BASE_MS, PACE_MAX_MS, rollout.failures);
}

export function noteUnprepared(
  rollout: Rollout,
  clientId: ClientId,
  reason: string,
  nowMs: number,
): void {
  const before = rollout.unprepared;
  const failures = (before?.failures ?? 0) + 1;
  const againAtMs = nowMs + doubled(PREPARE_BASE_MS, PREPARE_MAX_MS, failures);
  // The same thing is missing for every cluster, so the one that is named stays.
  rollout.unprepared = { clientId: before?.clientId ?? clientId, reason, failures, againAtMs };
}

/** Whether its worker of the wanted spec has not yet run long enough. */
export const isUnproven = ({ young, trials }: Rollout, clientId: ClientId): boolean =>
  young.has(clientId) || trials.has(clientId);

/** It will have no worker, or an old one again: it holds no slot. */
export function forget(rollout: Rollout, clientId: ClientId): void {
  rollout.trials.delete(clientId);
  rollout.respawning.delete(clientId);
}

export type ListedWorker = {
  /** Clusters for which something changed since the last listing. */
  readonly changed: Iterable<ClientId>;
  readonly workersOf: (clientId: ClientId) => readonly Worker[];
  /** Running ones of the wanted spec. */
  readonly current: number;
  /** When the listing began, monotonic ms. */
  readonly beganMs: number;
  readonly minReadyMs: number;
};

/** Applies a listing. @returns the clusters whose worker has now run for WORKER_MIN_READY */
export function foldListed(rollout: Rollout, listed: ListedWorker): readonly ClientId[] {
  const { beganMs, minReadyMs } = listed;
  for (const clientId of listed.changed) {
    const runs = listed
      .workersOf(clientId)
      .find((worker) => worker.specHash === rollout.specHash && worker.state === "running");
    if (runs === undefined) rollout.young.delete(clientId);
    else noteRuns(rollout, runs, beganMs);
  }
  const proven = [...rollout.young]
    .filter(([, { sinceMs }]) => beganMs - sinceMs >= minReadyMs)
    .map(([clientId]) => clientId);
  for (const clientId of proven) {
    rollout.young.delete(clientId);
    forget(rollout, clientId);
  }
  rollout.proven = Math.max(0, listed.current - rollout.young.size);
  if (rollout.proven > 0) rollout.failures = 0;
  return proven;
}

/** Seen running since, at the latest. */
export function noteRuns(rollout: Rollout, { clientId, instance }: Worker, sinceMs: number): void {
  if (rollout.young.get(clientId)?.instance === instance) return;
  rollout.young.set(clientId, { instance, sinceMs });
}

/** When, monotonic ms, the next worker that holds a slot will have run long enough. */
export function nextProofMs(rollout: Rollout, minReadyMs: number): number | undefined {
  let nextMs: number | undefined;
  for (const [clientId, { sinceMs }] of rollout.young) {
    const awaited =
      rollout.proven === 0 || rollout.trials.has(clientId) || rollout.respawning.has(clientId);
    if (awaited) nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, sinceMs + minReadyMs);
  }
  return nextMs;
}
