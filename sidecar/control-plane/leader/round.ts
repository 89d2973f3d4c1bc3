/**
 * One round of a leader, in this order: take in what was read, write (quarantine, then the ledger
 * with `_applied`, then outcomes), plan what is dirty, fence, write the intents, begin the acts.
 *
 * Acts run beside the rounds and report back, so that a slow stop holds up nobody else. A write that
 * fails is retried by its caller before anything is planned again: nothing is done that the ledger
 * does not know.
 */
import { withDeadline } from "../../../shared/deadline.ts";
import type { Audit } from "../../../shared/protocol/audit.ts";
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import { type Act, describeAct, type Executor, execute, type Outcome } from "../act/execute.ts";
import { foldOutcome, type Moment, type Outcomes } from "../act/outcome.ts";
import type { Crossing } from "../fleet/expiry.ts";
import { type Cluster, foldSilence } from "../fleet/fleet.ts";
import type { Ages } from "../fleet/observed-time.ts";
import { cleanupHold, type Weather } from "../plan/input.ts";
import { plannedActs, replaces } from "../plan/schedule.ts";
import type { AuditTrail } from "../record/audit.ts";
import { type Judged, judge } from "../registry/admission.ts";
import type { RegistryRecord } from "../registry/order.ts";
import { type Book, remember, touch } from "../state/leader-state.ts";
import type { WorkerSettings } from "../worker/spec.ts";

/**
 * A runtime that does not answer must not keep its cluster for ever: then the act counts as failed, and
 * what came of it is told by the next listing. Starting pulls an image, stopping waits out a grace.
 */
const ACT_MS_MAX = {
  start: 120_000,
  stop: 120_000,
  "delete-group": 30_000,
} as const satisfies Record<Act["kind"], number>;

export type RoundDeps = {
  readonly book: Book;
  /** Of the registry that is read in this term. */
  readonly topicId: string;
  readonly ages: Ages;
  readonly trail: AuditTrail;
  readonly worker: WorkerSettings;
  readonly outcomes: Outcomes;
  readonly moment: () => Moment;
  readonly weather: () => Weather;
  /** Each of the three retries until it is written, or throws when the term is lost. */
  readonly saveQuarantine: (refused: readonly Refused[]) => Promise<void>;
  readonly saveLedger: () => Promise<void>;
  readonly saveAudits: (audits: readonly Audit[]) => Promise<void>;
  /** Resolves to what the acts need; undefined when the fence was refused for now. */
  readonly fence: () => Promise<Executor | undefined>;
  readonly wake: () => void;
  readonly refusedSeen: (refused: readonly Refused[]) => void;
  readonly judged: (judged: Judged) => void;
  readonly warn: (message: string, fields: Record<string, unknown>) => void;
};

export type Round = {
  readonly registry: readonly RegistryRecord[];
  /** Batches that could not be read at all. */
  readonly corrupt: readonly Refused[];
  readonly crossed: readonly Crossing[];
  /** Time advanced: look again at what was held. */
  readonly ticked: boolean;
};

export async function runRound(deps: RoundDeps, input: Round): Promise<void> {
  const refused = [...input.corrupt, ...takeRegistry(deps, input.registry)];
  deps.refusedSeen(refused);
  const weather = deps.weather();
  takeSilence(deps, input, weather);
  await deps.saveQuarantine(refused);
  await deps.saveLedger();
  await saveAudits(deps);
  await act(deps, plannedActs(deps, weather));
}

function takeRegistry(deps: RoundDeps, records: readonly RegistryRecord[]): readonly Refused[] {
  if (records.length === 0) return [];
  const { book } = deps;
  const { monotonicMs, nowMs, seen } = deps.moment();
  const { topicId } = deps;
  const judged = judge(book.fleet, records, { seen, nowMs, topicId });
  for (const cluster of judged.changed) {
    const { clientId, withdrawal } = cluster;
    touch(book, cluster);
    book.silence.schedule(cluster);
    book.orphanSince.delete(clientId);
    if (withdrawal === "pending") {
      book.spawnAsked.delete(clientId);
      if (book.actual.workersOf(clientId).length > 0) book.stopAsked.set(clientId, monotonicMs);
    } else if (book.actual.workersOf(clientId).length === 0) {
      book.spawnAsked.set(clientId, monotonicMs);
    }
  }
  for (const clientId of judged.conflicts) {
    deps.warn(
      "registration and tombstone lie in two partitions without the broker's time (CreateTime): " +
        "the registration wins; silence ends it if that is wrong",
      { client_id: clientId },
    );
  }
  deps.judged(judged);
  return judged.refused;
}

/** Deadlines that came up, and those that were held while they might be due no longer. */
function takeSilence(deps: RoundDeps, { crossed, ticked }: Round, weather: Weather): void {
  const { book } = deps;
  for (const { cluster } of crossed) cross(deps, cluster, weather);
  if (!ticked) return;
  const again = [...book.held];
  book.held.clear();
  for (const clientId of again) {
    const cluster = book.fleet.clusters.get(clientId);
    if (cluster === undefined || cluster.state === "withdrawn") book.dirty.add(clientId);
    else if (book.silence.ageOf(cluster) === "dead") die(deps, cluster, weather);
    else book.silence.schedule(cluster);
  }
}

/** What was read since may have made it fresh, or withdrawn. */
function cross(deps: RoundDeps, cluster: Cluster, weather: Weather): void {
  const { silence } = deps.book;
  const age = silence.ageOf(cluster);
  if (cluster.state === "withdrawn") return;
  const isQuiet = cluster.state === "stale" || cluster.state === "dead";
  if (isQuiet && age === "dead") {
    die(deps, cluster, weather);
    return;
  }
  if (!isQuiet && age !== "fresh") silent(deps, cluster, "stale");
  silence.schedule(cluster);
}

/** Past the last deadline: dead, unless something holds it back. */
function die(deps: RoundDeps, cluster: Cluster, weather: Weather): void {
  const { book } = deps;
  if (cleanupHold(cluster, deps.ages, weather) !== undefined) {
    book.held.add(cluster.clientId);
    return;
  }
  if (cluster.state === "dead") book.dirty.add(cluster.clientId);
  else silent(deps, cluster, "dead");
}

function silent({ book, moment }: RoundDeps, cluster: Cluster, state: "stale" | "dead"): void {
  foldSilence(cluster, state, moment().nowMs);
  touch(book, cluster);
}

async function saveAudits({ book, saveAudits: save }: RoundDeps): Promise<void> {
  const audits = book.audits.splice(0);
  if (audits.length > 0) await save(audits);
}

/** Fence, intents, acts: in this order, and nothing when one of the first two fails. */
async function act(deps: RoundDeps, acts: readonly Act[]): Promise<void> {
  if (acts.length === 0) return;
  const executor = await deps.fence();
  if (executor === undefined) return;
  const intents = deps.trail.intents(acts);
  // Outcomes of meanwhile made room for these acts: in the audit, too, they come first.
  await deps.saveAudits([...deps.book.audits.splice(0), ...intents]);
  acts.forEach((one, index) => {
    const intent = intents[index];
    if (intent !== undefined) begin(deps, one, intent, executor);
  });
}

function begin(deps: RoundDeps, act: Act, intent: Audit, executor: Executor): void {
  const { book } = deps;
  book.busy.set(act.clientId, act.kind);
  book.dirty.delete(act.clientId);
  if (replaces(act)) book.replacing.add(act.clientId);
  remember(book, intent, act.clientId);
  void withDeadline(execute(act, executor), ACT_MS_MAX[act.kind], describeAct(act).reason)
    .catch(
      (cause: unknown): Outcome => ({
        kind: "failed",
        error: { code: "defect", detail: cause instanceof Error ? cause.message : String(cause) },
      }),
    )
    .then((outcome) => {
      const audit = deps.trail.outcome(intent, outcome);
      remember(book, audit, act.clientId);
      book.audits.push(audit);
      foldOutcome(book, act, outcome, deps.moment(), deps.outcomes);
      deps.wake();
    });
}
