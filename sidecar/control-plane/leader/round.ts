/**
 * One round of a leader, in this order: apply what was read, write (quarantine, then the ledger
 * with `_applied`, then outcomes), plan what is dirty, fence, write the intents, begin the acts.
 *
 * Acts run concurrently with the rounds and report back, so that a slow stop delays nothing else. The
 * caller retries a failed write before anything is planned again: no act begins that the ledger does not
 * know.
 */
import { withDeadline } from "../../../shared/deadline.ts";
import type { Audit } from "../../../shared/protocol/audit.ts";
import { groupOf } from "../../../shared/protocol/client-id.ts";
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import { type Executor, execute } from "../act/execute.ts";
import { foldGroupsKept, foldOutcome, type Outcomes, type TimeReading } from "../act/outcome.ts";
import type { Crossing } from "../fleet/expiry.ts";
import { type Cluster, foldSilence } from "../fleet/fleet.ts";
import type { Ages } from "../fleet/observed-time.ts";
import { type Act, type ActOutcome, describeAct } from "../plan/act.ts";
import { cleanupHold, type FleetConditions } from "../plan/input.ts";
import { plannedActs, replaces, respawns } from "../plan/schedule.ts";
import type { AuditTrail } from "../record/audit.ts";
import { type Admitted, admit, type RegistryHistory } from "../registry/admission.ts";
import type { RegistryRecord } from "../registry/order.ts";
import { type LeaderState, remember, touch } from "../state/leader-state.ts";
import type { WorkerSettings } from "../worker/spec.ts";

/**
 * A runtime that does not answer must not block its cluster for ever: after this time the act counts as
 * failed, and the next listing shows its effect. A start may pull an image; a stop may take a whole grace
 * period.
 */
const ACT_MS_MAX = {
  start: 120_000,
  stop: 120_000,
  "delete-group": 30_000,
} as const satisfies Record<Act["kind"], number>;

/** How many consumer groups one log line names. */
const GROUPS_NAMED_MAX = 20;

export type RoundDeps = {
  readonly leaderState: LeaderState;
  /** Topic id of the registry that is read in this term. */
  readonly topicId: string;
  /** Which records of the registry are history, if it was read from its start. */
  readonly history: RegistryHistory;
  readonly ages: Ages;
  readonly trail: AuditTrail;
  readonly worker: WorkerSettings;
  readonly outcomes: Outcomes;
  readonly readTime: () => TimeReading;
  readonly conditions: () => FleetConditions;
  /** Each of the three retries until the write succeeds, or throws when the term is lost. */
  readonly saveQuarantine: (refused: readonly Refused[]) => Promise<void>;
  readonly saveLedger: () => Promise<void>;
  readonly saveAudits: (audits: readonly Audit[]) => Promise<void>;
  /** Resolves to what the acts need; undefined if the fence is refused for now. */
  readonly fence: () => Promise<Executor | undefined>;
  readonly wake: () => void;
  readonly refusedSeen: (refused: readonly Refused[]) => void;
  readonly judged: (judged: Admitted) => void;
  readonly warn: (message: string, fields: Record<string, unknown>) => void;
};

export type Round = {
  readonly registry: readonly RegistryRecord[];
  /** Batches that could not be decoded at all. */
  readonly corrupt: readonly Refused[];
  readonly crossed: readonly Crossing[];
  /** Time advanced: plan held clusters again. */
  readonly ticked: boolean;
};

export async function runRound(deps: RoundDeps, input: Round): Promise<void> {
  const refused = [...input.corrupt, ...takeRegistry(deps, input.registry)];
  deps.refusedSeen(refused);
  const conditions = deps.conditions();
  takeSilence(deps, input, conditions);
  await deps.saveQuarantine(refused);
  await deps.saveLedger();
  await saveAudits(deps);
  const planned = plannedActs(deps, conditions);
  foldGroupsKept(deps.leaderState, planned.groupsKept, deps.readTime());
  if (planned.groupsKept.length > 0) deps.wake();
  tellBlocked(deps);
  await act(deps, planned.acts);
}

/** Each is logged once: it stays so until somebody acts. */
function tellBlocked({ leaderState, warn }: RoundDeps): void {
  for (const clientId of leaderState.blockedNews) {
    const held = leaderState.blocked.get(clientId);
    warn("a cluster is blocked: its worker's name is held by something that is not ours", {
      ...{ client_id: clientId, held_by: held },
    });
  }
  leaderState.blockedNews.clear();
}

function takeRegistry(deps: RoundDeps, records: readonly RegistryRecord[]): readonly Refused[] {
  if (records.length === 0) return [];
  const { leaderState } = deps;
  const { monotonicMs, nowMs, seen } = deps.readTime();
  const { topicId, history } = deps;
  const judged = admit(leaderState.fleet, records, { seen, nowMs, topicId, history });
  for (const { clientId } of judged.moved) leaderState.unsaved.add(clientId);
  for (const cluster of judged.changed) {
    const { clientId, withdrawal } = cluster;
    touch(leaderState, cluster);
    leaderState.expiry.schedule(cluster);
    leaderState.orphanSince.delete(clientId);
    leaderState.withdrawnHeardMs.delete(clientId);
    leaderState.acceptedOrphans.delete(clientId);
    if (withdrawal === "pending") {
      // Its new registration waits, so the group's members are checked again now.
      if (leaderState.groupHeldSince.has(clientId)) leaderState.backoffs.succeeded(clientId);
      leaderState.spawnAsked.delete(clientId);
      // A cluster that history withdrew is not stopped before it is silent.
      if (!cluster.groupKept && leaderState.actual.workersOf(clientId).length > 0)
        leaderState.stopAsked.set(clientId, monotonicMs);
    } else if (leaderState.actual.workersOf(clientId).length === 0) {
      leaderState.spawnAsked.set(clientId, monotonicMs);
    }
  }
  warnOf(deps, judged);
  deps.judged(judged);
  return judged.refused;
}

function warnOf({ warn }: RoundDeps, { conflicts, outlived, changed }: Admitted): void {
  for (const clientId of conflicts) {
    warn(
      "registration and tombstone lie in two partitions without the broker's time (CreateTime): " +
        "the registration wins; silence ends it if that is wrong",
      { client_id: clientId },
    );
  }
  for (const clientId of outlived) {
    warn(
      "the ledger has a registration, and the recreated cluster.registry has a tombstone; it is not " +
        "known which is newer: the registration is kept; if that is wrong, silence ends the worker",
      { client_id: clientId },
    );
  }
  const kept = changed.filter(({ groupKept, registry }) => groupKept && registry.value === null);
  if (kept.length === 0) return;
  const groups = kept.slice(0, GROUPS_NAMED_MAX).map(({ clientId }) => groupOf(clientId));
  warn(
    `${kept.length} clusters were withdrawn before cluster.registry was read from its start: their ` +
      "consumer groups are kept, if there are any, and left to Kafka to expire",
    { groups },
  );
}

/** Handles deadlines that came up, and held ones that may no longer be held. */
function takeSilence(
  deps: RoundDeps,
  { crossed, ticked }: Round,
  conditions: FleetConditions,
): void {
  const { leaderState } = deps;
  for (const { cluster } of crossed) cross(deps, cluster, conditions);
  if (!ticked) return;
  const again = [...leaderState.held];
  leaderState.held.clear();
  for (const clientId of again) {
    const cluster = leaderState.fleet.clusters.get(clientId);
    if (cluster === undefined || cluster.state === "withdrawn") leaderState.dirty.add(clientId);
    else if (leaderState.expiry.ageOf(cluster) === "dead") die(deps, cluster, conditions);
    else leaderState.expiry.schedule(cluster);
  }
}

/** A record that was read since may have made it fresh or withdrawn. */
function cross(deps: RoundDeps, cluster: Cluster, conditions: FleetConditions): void {
  const { expiry } = deps.leaderState;
  const age = expiry.ageOf(cluster);
  if (cluster.state === "withdrawn") return;
  const isQuiet = cluster.state === "stale" || cluster.state === "dead";
  if (isQuiet && age === "dead") {
    die(deps, cluster, conditions);
    return;
  }
  if (!isQuiet && age !== "fresh") silent(deps, cluster, "stale");
  expiry.schedule(cluster);
}

/** Past the last deadline: dead, unless a hold applies. */
function die(deps: RoundDeps, cluster: Cluster, conditions: FleetConditions): void {
  const { leaderState } = deps;
  if (cleanupHold(cluster, deps.ages, conditions) !== undefined) {
    leaderState.held.add(cluster.clientId);
    return;
  }
  if (cluster.state === "dead") leaderState.dirty.add(cluster.clientId);
  else silent(deps, cluster, "dead");
}

function silent(
  { leaderState, readTime }: RoundDeps,
  cluster: Cluster,
  state: "stale" | "dead",
): void {
  foldSilence(cluster, state, readTime().nowMs);
  touch(leaderState, cluster);
}

/** Records leave the buffer only after they were written; the rest is flushed when the term ends. */
async function saveAudits(
  { leaderState, saveAudits: save }: RoundDeps,
  intents: readonly Audit[] = [],
): Promise<void> {
  const outcomes = leaderState.audits.length;
  const audits = [...leaderState.audits, ...intents];
  if (audits.length > 0) await save(audits);
  leaderState.audits.splice(0, outcomes);
}

/** Fence, intents, acts: in this order, and no act if one of the first two fails. */
async function act(deps: RoundDeps, acts: readonly Act[]): Promise<void> {
  if (acts.length === 0) return;
  const executor = await deps.fence();
  if (executor === undefined) return;
  const intents = deps.trail.intents(acts);
  // Outcomes since then made room for these acts, so they also come first in the audit.
  await saveAudits(deps, intents);
  acts.forEach((one, index) => {
    const intent = intents[index];
    if (intent !== undefined) begin(deps, one, intent, executor);
  });
}

function begin(deps: RoundDeps, act: Act, intent: Audit, executor: Executor): void {
  const { leaderState } = deps;
  leaderState.busy.set(act.clientId, act.kind);
  leaderState.dirty.delete(act.clientId);
  if (replaces(act)) leaderState.rollout.trials.set(act.clientId, undefined);
  if (respawns(act)) leaderState.rollout.respawning.add(act.clientId);
  remember(leaderState, intent, act.clientId);
  void withDeadline(execute(act, executor), ACT_MS_MAX[act.kind], describeAct(act).reason)
    .catch(
      (cause: unknown): ActOutcome => ({
        kind: "failed",
        error: { code: "defect", detail: cause instanceof Error ? cause.message : String(cause) },
      }),
    )
    .then((outcome) => {
      const audit = deps.trail.outcome(intent, outcome, judgedOf(leaderState, act));
      remember(leaderState, audit, act.clientId);
      leaderState.audits.push(audit);
      foldOutcome(leaderState, act, outcome, deps.readTime(), deps.outcomes);
      deps.wake();
    });
}

/** Read at the outcome: a tombstone that came while the group was being deleted is answered by it, too. */
function judgedOf({ fleet }: LeaderState, { kind, clientId }: Act): Audit["registry"] {
  const cluster = kind === "delete-group" ? fleet.clusters.get(clientId) : undefined;
  if (cluster === undefined) return undefined;
  const { partition, offset } = cluster.registry;
  return { partition, offset };
}
