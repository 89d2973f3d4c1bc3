/**
 * Two agents with one client id: a cloned host, a cluster restored beside the first. Each has its own
 * `instance_id` in its beats. A new instance after another is a restart. An instance that beats again after
 * another has beaten runs beside it; if that lasts longer than a stale deadline, it is a conflict. Pure;
 * times are observed ms on the joint clock.
 *
 * Invariants (test/sidecar/control-plane/fleet/contest.test.ts):
 *  - restarts, a crash loop and a rolling update are no conflict, however many there are;
 *  - an instance that said `stopping` has ended, and does not conflict with later ones;
 *  - a conflict ends when no two have beaten in turn for a stale deadline, however one of them ended: when
 *    one of two is stopped, its tombstone must not remove the other's worker;
 *  - a beat without an `instance_id` says nothing about instances.
 */
import type { Conflict } from "../../../shared/protocol/ledger-facts.ts";

/** How many instances are distinguished; beyond that, the one that has been silent longest is forgotten. */
const INSTANCES_MAX = 8;

type Interrupted = {
  /** When another instance first beat after this one. */
  readonly sinceMs: number;
  /** Its newest beat. */
  lastMs: number;
};

export type Contest = {
  /** Instances after which another one has beaten. */
  readonly interrupted: Map<string, Interrupted>;
  /** When the instance last changed. */
  switchedMs: number;
};

/** The instances that beat under one client id; updated in place, because there is one per cluster. */
export type Agents = {
  /** The instance that beat last, unless it said `stopping`. */
  lastInstance: string | undefined;
  contest: Contest | undefined;
};

export type InstanceBeat = { readonly instance: string; readonly stopping: boolean };

export type ContestTime = {
  readonly observedMs: number;
  readonly nowMs: number;
  /** The cluster's own stale deadline. */
  readonly staleAfterMs: number;
};

/** Folds a beat. @returns the present conflict; undefined: there is none (any more) */
export function foldInstance(
  agents: Agents,
  known: Conflict | undefined,
  beat: InstanceBeat,
  at: ContestTime,
): Conflict | undefined {
  const { observedMs, staleAfterMs } = at;
  // A conflict that an earlier leader saw began, at the latest, with our term.
  if (known !== undefined) agents.contest ??= { interrupted: new Map(), switchedMs: 0 };
  const isOver =
    agents.contest !== undefined && observedMs - agents.contest.switchedMs > staleAfterMs;
  if (isOver) agents.contest = undefined;
  const lasting = isOver ? undefined : known;
  if (beat.stopping) {
    leave(agents, beat.instance, lasting !== undefined);
    return lasting;
  }
  const { lastInstance: last } = agents;
  agents.lastInstance = beat.instance;
  const interrupted = agents.contest?.interrupted.get(beat.instance);
  if (interrupted !== undefined) interrupted.lastMs = observedMs;
  if (last === undefined || last === beat.instance) return lasting;
  const besideMs = switchTo(agents, last, beat.instance, observedMs);
  if (besideMs <= staleAfterMs) return lasting;
  const since = lasting?.since ?? new Date(at.nowMs).toISOString();
  return { instances: [last, beat.instance].toSorted(), since };
}

/** @returns for how long the instance that beats now has run beside others, in ms */
function switchTo(agents: Agents, last: string, instance: string, observedMs: number): number {
  agents.contest ??= { interrupted: new Map(), switchedMs: observedMs };
  const { interrupted } = agents.contest;
  agents.contest.switchedMs = observedMs;
  if (!interrupted.has(last)) interrupted.set(last, { sinceMs: observedMs, lastMs: observedMs });
  if (interrupted.size > INSTANCES_MAX) forgetOne(interrupted, [last, instance]);
  return observedMs - (interrupted.get(instance)?.sinceMs ?? observedMs);
}

/** In a crash loop each start is another instance; the one that runs beside it is the one that keeps coming back. */
function forgetOne(interrupted: Map<string, Interrupted>, spared: readonly string[]): void {
  const [quietest] = [...interrupted]
    .filter(([instance]) => !spared.includes(instance))
    .toSorted(([, a], [, b]) => a.lastMs - b.lastMs);
  if (quietest !== undefined) interrupted.delete(quietest[0]);
}

/** A conflict ends only by time, because the tombstone of the one that stops comes right after its end. */
function leave(agents: Agents, instance: string, inConflict: boolean): void {
  const { contest } = agents;
  contest?.interrupted.delete(instance);
  if (contest?.interrupted.size === 0 && !inConflict) agents.contest = undefined;
  if (agents.lastInstance === instance) agents.lastInstance = undefined;
}
