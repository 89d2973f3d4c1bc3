/**
 * One round of a leader, in this order: take in what was read, write (quarantine, then the ledger
 * with `_applied`, then outcomes), plan what is dirty, fence, write the intents, begin the acts.
 *
 * Acts run beside the rounds and report back, so that a slow stop holds up nobody else. A write that
 * fails is retried by its caller before anything is planned again: nothing is done that the ledger
 * does not know.
 */
import type { Audit } from "../../shared/protocol/audit.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import type { Refused } from "../../shared/protocol/quarantine.ts";
import { judge } from "./accept.ts";
import type { Ages } from "./age.ts";
import type { AuditTrail } from "./audit.ts";
import { type Book, remember, touch } from "./book.ts";
import { type Act, type Executor, execute, type Outcome } from "./execute.ts";
import { type Cluster, foldSilence } from "./fleet.ts";
import type { RegistryRecord } from "./order.ts";
import { foldOutcome, type Moment, type Outcomes } from "./outcome.ts";
import { planCluster, type Step } from "./plan.ts";
import type { Crossing } from "./silence.ts";
import { cleanupHold, REPLACED_AT_ONCE_MAX, situationOf, type Weather } from "./situation.ts";
import { type WorkerSettings, workerSpec } from "./spec.ts";

/** Acts under way at the same time; what is beyond stays dirty until one ends. */
export const ACTS_AT_ONCE_MAX = {
  start: 32,
  stop: 256,
  "delete-group": 32,
} as const satisfies Record<Act["kind"], number>;

export type RoundDeps = {
  readonly book: Book;
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
  readonly judged: (count: { registrations: number; tombstones: number }) => void;
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
  await act(deps, planned(deps, weather));
}

function takeRegistry(deps: RoundDeps, records: readonly RegistryRecord[]): readonly Refused[] {
  if (records.length === 0) return [];
  const { book } = deps;
  const { monotonicMs, nowMs, seen } = deps.moment();
  const topicId = [...book.fleet.applied.values()][0]?.topic_id;
  const judged = judge(book.fleet, records, { seen, nowMs, ...(topicId && { topicId }) });
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

/** Plans what is dirty. What waits for an event stays dirty; what waits for time goes to `held`. */
function planned(deps: RoundDeps, weather: Weather): readonly Act[] {
  const { book } = deps;
  const room: Record<Act["kind"], number> = { ...ACTS_AT_ONCE_MAX };
  for (const kind of underWay(book)) room[kind] -= 1;
  const acts: Act[] = [];
  let slots = REPLACED_AT_ONCE_MAX - book.replacing.size;
  for (const clientId of book.dirty) {
    const replaceable = slots > 0 || book.replacing.has(clientId);
    const step = planCluster({
      ...situationOf(book, clientId, deps.ages, weather),
      replaceable,
    });
    const next = toAct(deps, clientId, step, weather.specHash);
    if (next === undefined) {
      settle(book, clientId, step);
    } else if (room[next.kind] > 0) {
      room[next.kind] -= 1;
      acts.push(next);
      if (replaces(next) && !book.replacing.has(clientId)) slots -= 1;
    }
  }
  return acts;
}

const replaces = (act: Act): boolean => act.kind === "stop" && act.cause === "spec-changed";

const underWay = (book: Book): readonly Act["kind"][] => [...book.busy.values()];

function settle(book: Book, clientId: ClientId, step: Step): void {
  if (step.kind === "none") {
    book.dirty.delete(clientId);
    book.replacing.delete(clientId);
    return;
  }
  if (step.kind !== "wait") return;
  switch (step.why) {
    case "not-listed":
    case "busy":
    case "changing":
    case "backoff":
    case "replace-slot":
      return;
    case "orphan":
    case "gap":
    case "brake":
    case "registry-made-again":
    case "registry-empty":
    case "registry-harmful":
      book.dirty.delete(clientId);
      book.held.add(clientId);
  }
}

function toAct(
  { worker }: RoundDeps,
  clientId: ClientId,
  step: Step,
  specHash: string,
): Act | undefined {
  switch (step.kind) {
    case "none":
    case "wait":
      return undefined;
    case "start":
      return { kind: "start", clientId, spec: workerSpec(clientId, worker, specHash) };
    case "stop":
      return { kind: "stop", clientId, worker: step.worker, cause: step.cause };
    case "delete-group":
      return { kind: "delete-group", clientId };
  }
}

/** Fence, intents, acts: in this order, and nothing when one of the first two fails. */
async function act(deps: RoundDeps, acts: readonly Act[]): Promise<void> {
  if (acts.length === 0) return;
  const executor = await deps.fence();
  if (executor === undefined) return;
  const intents = deps.trail.intents(acts);
  await deps.saveAudits(intents);
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
  void execute(act, executor)
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
