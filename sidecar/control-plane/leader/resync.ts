/** Keeps up with the runtime: lists the workers whenever it reports a change, and at each resync. */
import { sleep } from "../../../shared/clock.ts";
import { withDeadline } from "../../../shared/deadline.ts";
import type { Log } from "../../../shared/log.ts";
import { err, type Result } from "../../../shared/result.ts";
import { foldChanges, type Outcomes, type TimeReading, touchAll } from "../act/outcome.ts";
import { foldRollout } from "../act/rollout.ts";
import type { Inbox } from "../inbox.ts";
import { acceptOrphans } from "../plan/orphan-share.ts";
import type { Listing, Runtime, RuntimeError } from "../runtime/runtime.ts";
import { isGone, type LeaderState } from "../state/leader-state.ts";
import { nextProofMs } from "../state/rollout.ts";

const LISTING_RETRY_MS = 1_000;
/** The shortest time between two listings that check whether a worker has run long enough. */
const PROOF_PAUSE_MS = 100;
const LISTING_MS_MAX = 30_000;

export type ResyncDeps = {
  readonly leaderState: LeaderState;
  readonly runtime: Runtime;
  readonly inbox: Inbox;
  readonly settings: { readonly reconcileIntervalMs: number; readonly workerMinReadyMs: number };
  readonly readTime: () => TimeReading;
  readonly outcomes: Outcomes;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/** Runs until the signal aborts. Several changes during one listing cause one more listing. */
export async function keepResyncing(deps: ResyncDeps): Promise<void> {
  const { runtime, signal, settings } = deps;
  let asked = new AbortController();
  let resyncedMs = deps.readTime().monotonicMs;
  runtime.watch(() => asked.abort(), signal);
  while (!signal.aborted) {
    asked = new AbortController();
    const listed = await listOnce(deps);
    const nowMs = deps.readTime().monotonicMs;
    if (listed && nowMs - resyncedMs >= settings.reconcileIntervalMs) {
      resyncedMs = nowMs;
      lookAgain(deps.leaderState, runtime.runtime);
      deps.inbox.wake();
    }
    await sleep(
      listed ? pauseMs(deps, nowMs) : LISTING_RETRY_MS,
      AbortSignal.any([asked.signal, signal]),
    );
  }
}

/** Time to the next resync; shorter if before that a worker will have run long enough for others to be replaced. */
function pauseMs({ leaderState, settings }: ResyncDeps, nowMs: number): number {
  const { reconcileIntervalMs, workerMinReadyMs } = settings;
  const proofMs = nextProofMs(leaderState.rollout, workerMinReadyMs) ?? Number.POSITIVE_INFINITY;
  return Math.max(PROOF_PAUSE_MS, Math.min(reconcileIntervalMs, proofMs - nowMs));
}

async function listOnce(deps: ResyncDeps): Promise<boolean> {
  const { leaderState, runtime, inbox, log, signal } = deps;
  const mark = leaderState.actual.mark();
  const wasListed = leaderState.actual.listed();
  const beganMs = deps.readTime().monotonicMs;
  const listed = await list(runtime, signal);
  if (signal.aborted) return false;
  if (listed.ok) {
    const changes = leaderState.actual.fold(listed.value, mark);
    foldChanges(leaderState, changes, deps.readTime(), deps.outcomes);
    const minReadyMs = deps.settings.workerMinReadyMs;
    foldRollout(leaderState, { changed: changes.changed, beganMs, minReadyMs });
    if (!wasListed) afterBlindness(leaderState, runtime.runtime);
    if (leaderState.orphansAcceptedUnlisted) acceptOrphans(leaderState);
  } else {
    leaderState.actual.unlisted();
    log.warn("the workers could not be listed; nothing is started or stopped meanwhile", {
      runtime: runtime.runtime,
      error: listed.error.detail,
    });
  }
  inbox.wake();
  return listed.ok;
}

/** Now it is known what runs: corrects the ledger about workers that are gone. */
function afterBlindness(leaderState: LeaderState, runtime: string): void {
  lookAgain(leaderState, runtime);
  for (const clientId of leaderState.savedUnlisted) leaderState.unsaved.add(clientId);
  leaderState.savedUnlisted.clear();
}

/**
 * Checks all clusters. A cluster that died without a stop of ours (its worker was removed by hand, or never
 * ran) has offsets, too. So has one whose offsets could not be read before.
 */
function lookAgain(leaderState: LeaderState, runtime: string): void {
  touchAll(leaderState, runtime);
  for (const { clientId, facts } of leaderState.fleet.clusters.values()) {
    if (facts?.offsets === undefined && isGone(leaderState, clientId))
      leaderState.unkept.add(clientId);
  }
}

async function list(
  runtime: Runtime,
  signal: AbortSignal,
): Promise<Result<Listing, Pick<RuntimeError, "detail">>> {
  try {
    return await withDeadline(runtime.list(signal), LISTING_MS_MAX, "listing the workers");
  } catch (cause) {
    return err({ detail: cause instanceof Error ? cause.message : String(cause) });
  }
}
