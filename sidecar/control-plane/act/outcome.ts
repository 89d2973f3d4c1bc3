/**
 * What the outcome of an act, a listing or an exit changes in the book. No I/O; monotonic and wall
 * times come in as values, and what shall be counted is told to `tell`.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { type Cluster, foldWithdrawn, type Seen } from "../fleet/fleet.ts";
import { isReplaced } from "../plan/plan.ts";
import type { Worker } from "../runtime/runtime.ts";
import type { Changes } from "../state/actual-state.ts";
import { type Book, syncWorker, touch } from "../state/leader-state.ts";
import { workerNamesOf } from "../worker/spec.ts";
import type { Act, ActError, Outcome } from "./execute.ts";

export type Moment = {
  readonly monotonicMs: number;
  readonly nowMs: number;
  /** The joint clock's now: where a new sign of life begins. */
  readonly seen: Seen;
};

/** What the metrics count. */
export type Event =
  | { readonly kind: "spawned"; readonly afterMs: number | undefined }
  | { readonly kind: "stopped"; readonly afterMs: number | undefined }
  | { readonly kind: "cleaned" }
  | { readonly kind: "failed"; readonly action: Act["kind"] }
  | { readonly kind: "exited" };

export type Tell = (event: Event) => void;

export type Outcomes = { readonly runtime: string; readonly tell: Tell };

export function foldOutcome(
  book: Book,
  act: Act,
  outcome: Outcome,
  at: Moment,
  { runtime, tell }: Outcomes,
): void {
  const { clientId } = act;
  book.busy.delete(clientId);
  book.dirty.add(clientId);
  const cluster = book.fleet.clusters.get(clientId);
  switch (outcome.kind) {
    case "started":
      started(book, cluster, outcome.worker, at, tell);
      break;
    case "stopped":
      if (act.kind === "stop") stopped(book, act, at, tell);
      break;
    case "group-deleted":
      if (cluster !== undefined) withdrawn(book, cluster, at, tell);
      break;
    case "failed":
      failed(book, act, outcome.error, at, tell);
      break;
  }
  if (cluster !== undefined && syncWorker(book, cluster, runtime)) book.unsaved.add(clientId);
}

function started(
  book: Book,
  cluster: Cluster | undefined,
  worker: Worker,
  at: Moment,
  tell: Tell,
): void {
  const { clientId } = worker;
  book.actual.started(worker);
  book.replacing.delete(clientId);
  book.lastError.delete(clientId);
  book.startedAtMs.set(clientId, at.monotonicMs);
  const askedMs = book.spawnAsked.get(clientId);
  book.spawnAsked.delete(clientId);
  tell({
    kind: "spawned",
    afterMs: askedMs === undefined ? undefined : at.monotonicMs - askedMs,
  });
  if (cluster !== undefined) book.unsaved.add(clientId);
}

function stopped(book: Book, act: Extract<Act, { kind: "stop" }>, at: Moment, tell: Tell): void {
  const { clientId, cause, worker } = act;
  book.actual.gone(worker);
  if (cause !== "exited") book.lastError.delete(clientId);
  book.orphanSince.delete(clientId);
  book.changingSince.delete(clientId);
  if (isReplaced(cause)) book.replacing.add(clientId);
  if (cause === "dead" || cause === "orphan") tell({ kind: "cleaned" });
  const cluster = book.fleet.clusters.get(clientId);
  if (cause === "dead" && cluster !== undefined) cluster.beaten = false;
  if (cause !== "withdrawn") return;
  const askedMs = book.stopAsked.get(clientId);
  book.stopAsked.delete(clientId);
  tell({ kind: "stopped", afterMs: askedMs === undefined ? undefined : at.monotonicMs - askedMs });
}

function withdrawn(book: Book, cluster: Cluster, at: Moment, tell: Tell): void {
  const { clientId } = cluster;
  foldWithdrawn(cluster, at);
  book.retries.succeeded(clientId);
  for (const map of [book.lastError, book.restarts, book.startedAtMs, book.stopAsked]) {
    map.delete(clientId);
  }
  book.silence.schedule(cluster);
  touch(book, cluster);
  tell({ kind: "cleaned" });
}

function failed(book: Book, act: Act, error: ActError, at: Moment, tell: Tell): void {
  if (act.kind === "stop" && isReplaced(act.cause)) book.replacing.delete(act.clientId);
  if (error.code === "dropped") return;
  if (error.code === "ended") countExit(book, act.clientId);
  if (error.instance !== undefined) book.actual.ended(act.clientId, error.instance);
  book.lastError.set(act.clientId, error.detail);
  book.retries.failed(act.clientId, at.monotonicMs);
  tell({ kind: "failed", action: act.kind });
}

const countExit = (book: Book, clientId: ClientId): void => {
  book.restarts.set(clientId, (book.restarts.get(clientId) ?? 0) + 1);
};

/** A listing was taken in. */
export function foldChanges(book: Book, changes: Changes, at: Moment, outcomes: Outcomes): void {
  for (const worker of new Set([...changes.exits, ...exitsBeforeTerm(book, changes.changed)])) {
    // What ends under an act is told by the act's outcome.
    if (!book.busy.has(worker.clientId)) exited(book, worker, at, outcomes.tell);
  }
  if (changes.foreign.size > 0) touchNamed(book, changes.foreign, outcomes.runtime);
  for (const clientId of changes.changed) {
    book.dirty.add(clientId);
    const cluster = book.fleet.clusters.get(clientId);
    keepTimes(book, clientId, cluster === undefined, at);
    if (cluster !== undefined && syncWorker(book, cluster, outcomes.runtime)) {
      book.unsaved.add(clientId);
    }
  }
}

/**
 * Workers that the ledger knows as running and that are listed as exited when this term first sees them:
 * they ended while nobody led, so nobody has counted it.
 */
function exitsBeforeTerm(book: Book, changed: Changes["changed"]): readonly Worker[] {
  return [...changed].flatMap((clientId) => {
    const known = book.fleet.clusters.get(clientId)?.worker;
    if (known?.state !== "running" && known?.state !== "starting") return [];
    return book.actual
      .workersOf(clientId)
      .filter(({ state, instance }) => state === "exited" && instance === known.instance);
  });
}

/** Since when a worker is an orphan, or has been changing. */
function keepTimes(book: Book, clientId: ClientId, isUnregistered: boolean, at: Moment): void {
  const workers = book.actual.workersOf(clientId);
  const keep = (since: Map<ClientId, number>, holds: boolean, nowMs: number): void => {
    if (!holds) since.delete(clientId);
    else if (!since.has(clientId)) since.set(clientId, nowMs);
  };
  const isChanging = workers.some(({ state }) => state === "starting" || state === "stopping");
  keep(book.changingSince, isChanging, at.monotonicMs);
  keep(book.orphanSince, isUnregistered && workers.length > 0, at.seen.atMs);
}

/** Something foreign took a worker's name, or gave it back. */
function touchNamed(book: Book, names: ReadonlySet<string>, runtime: string): void {
  for (const cluster of book.fleet.clusters.values()) {
    if (!workerNamesOf(cluster.clientId).some((name) => names.has(name))) continue;
    syncWorker(book, cluster, runtime);
    touch(book, cluster);
  }
}

/** It exited by itself: we would have taken it out of the listing. */
function exited(book: Book, worker: Worker, at: Moment, tell: Tell): void {
  const { clientId } = worker;
  const startedMs = book.startedAtMs.get(clientId);
  const ranMs = startedMs === undefined ? 0 : at.monotonicMs - startedMs;
  book.retries.exited(clientId, at.monotonicMs, ranMs);
  countExit(book, clientId);
  const after = startedMs === undefined ? "" : ` after ${(ranMs / 1000).toFixed(1)} s`;
  book.lastError.set(clientId, `its worker ${exitText(worker.exit)}${after}`);
  tell({ kind: "exited" });
}

const exitText = (exit: Worker["exit"] = "unknown"): string =>
  exit === "oom" ? "was killed at its limit of memory (GB_MEMORY_LIMIT)" : `exited (${exit})`;

/** All clusters and workers are looked at again: after promotion, and on each resync. */
export function touchAll(book: Book, runtime: string): void {
  for (const cluster of book.fleet.clusters.values()) {
    if (syncWorker(book, cluster, runtime)) book.unsaved.add(cluster.clientId);
    if (cluster.withdrawal !== "done") book.dirty.add(cluster.clientId);
  }
  for (const clientId of book.actual.clientIds()) book.dirty.add(clientId);
}
