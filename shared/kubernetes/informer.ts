/**
 * What there is of one kind, kept up to date: listed once, then watched, for as long as the signal
 * lets it. Whatever happens to the connection, the server or its history, it goes on trying.
 *
 * Invariants (test/system/door-kubernetes.test.ts, test/shared/kubernetes/informer.test.ts):
 *  - what is held is never a half list: a new list is collected aside and put in place at once;
 *  - the version that it goes on from never falls;
 *  - a version that the server has forgotten (410, as a status or as an event) is followed by a new list;
 *  - `current` answers only while the watch is connected: what is held may be old otherwise.
 */
import { backoffMs } from "../backoff.ts";
import { sleep } from "../deadline.ts";
import { err, ok, type Result } from "../result.ts";
import type { KubernetesError } from "./error.ts";
import { listAll } from "./list.ts";
import type { Selection } from "./resource.ts";
import { laterVersion } from "./resource-version.ts";
import type { Transport } from "./transport.ts";
import { type WatchEnd, watchOnce } from "./watch.ts";
import type { WatchEvent } from "./watch-event.ts";

const RETRY_BASE_MS = 100;
const RETRY_MS_MAX = 5_000;
/** A watch-list that has not come to its end by then is given up for pages. */
const INITIAL_MS_MAX = 10_000;
/** Lists older than what was seen are refused; after so many, etcd was put back to an older state. */
const OLD_LISTS_MAX = 5;

export type InformerLog = (
  level: "debug" | "warn",
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export type InformerOptions<T> = {
  readonly transport: Transport;
  readonly selection: Selection;
  /** What is kept of an object; undefined: it is none of ours. */
  readonly keep: (object: unknown) => T | undefined;
  /** Are two of one object the same to whom it may concern? Then no change is told. */
  readonly same: (one: T, other: T) => boolean;
  readonly random: () => number;
  readonly log: InformerLog;
  readonly signal: AbortSignal;
  /** Silence after which a connection counts as dead. */
  readonly idleMs?: number;
};

export type Informer<T> = {
  /** All there is, by uid, once it is known to be current; or, when the signal aborts before, why not. */
  readonly current: (
    signal: AbortSignal,
  ) => Promise<Result<ReadonlyMap<string, T>, KubernetesError>>;
  /** What is held now, however old. */
  readonly held: () => ReadonlyMap<string, T>;
  /** Calls back after each change; returns what ends it. */
  readonly onChange: (listener: () => void) => () => void;
  /** How often it has listed: more than once means that history was lost. */
  readonly lists: () => number;
};

/** How an attempt ended that did not fail. */
type Ended = WatchEnd | "listed";

type State<T> = {
  held: Map<string, T>;
  /** Where the next watch goes on; undefined: list first. */
  resumeAt: bigint | undefined;
  /** The latest version that was ever seen. */
  seen: bigint;
  connected: boolean;
  lists: number;
  oldLists: number;
  /** Did anything come in this attempt? */
  heard: boolean;
  /** Attempts in a row that came to nothing. */
  failures: number;
  error: KubernetesError | undefined;
  hasWatchList: boolean;
  readonly listeners: Set<() => void>;
};

export function openInformer<T>(options: InformerOptions<T>): Informer<T> {
  const state: State<T> = {
    held: new Map(),
    resumeAt: undefined,
    seen: 0n,
    connected: false,
    lists: 0,
    oldLists: 0,
    heard: false,
    failures: 0,
    error: undefined,
    hasWatchList: true,
    listeners: new Set(),
  };
  void follow(options, state);
  return {
    current: (signal) => current(state, signal),
    held: () => state.held,
    onChange: (listener) => {
      const own = () => listener();
      state.listeners.add(own);
      return () => {
        state.listeners.delete(own);
      };
    },
    lists: () => state.lists,
  };
}

async function current<T>(
  state: State<T>,
  signal: AbortSignal,
): Promise<Result<ReadonlyMap<string, T>, KubernetesError>> {
  const settled = Promise.withResolvers<void>();
  const look = () => {
    // What is refused for good stays so for as long as anybody can wait here.
    if (state.connected || signal.aborted || state.error?.retry === "terminal") settled.resolve();
  };
  state.listeners.add(look);
  signal.addEventListener("abort", look, { once: true });
  look();
  await settled.promise;
  state.listeners.delete(look);
  signal.removeEventListener("abort", look);
  if (state.connected) return ok(state.held);
  const detail = "Kubernetes has not answered yet; tried again";
  return err(state.error ?? { code: "timeout", retry: "transient", detail });
}

function tell<T>({ listeners }: State<T>): void {
  for (const listener of [...listeners]) listener();
}

async function follow<T>(options: InformerOptions<T>, state: State<T>): Promise<void> {
  const { signal, random, log } = options;
  while (!signal.aborted) {
    state.heard = false;
    const ended = await attempt(options, state);
    state.connected = false;
    if (signal.aborted) break;
    // A watch that ends at once and says nothing, again and again, must not be asked for at once.
    if (ended.ok && (state.heard || ended.value !== "ended")) {
      state.failures = 0;
      continue;
    }
    if (!ended.ok) {
      state.error = ended.error;
      if (ended.error.code === "expired") state.resumeAt = undefined;
      log(state.failures === 0 ? "debug" : "warn", "a watch of Kubernetes broke", {
        error: ended.error.detail,
        attempt: state.failures,
      });
    }
    tell(state);
    const times = { baseMs: RETRY_BASE_MS, maxMs: RETRY_MS_MAX, random };
    const waitMs = backoffMs(state.failures, times);
    state.failures += 1;
    await sleep(waitMs, signal);
  }
  tell(state);
}

/** Lasts as long as its watch; a list by pages returns at once, and the next attempt watches. */
async function attempt<T>(
  options: InformerOptions<T>,
  state: State<T>,
): Promise<Result<Ended, KubernetesError>> {
  if (state.resumeAt !== undefined) return await watchOn(options, state, state.resumeAt);
  return state.hasWatchList ? await watchList(options, state) : await listByPages(options, state);
}

async function listByPages<T>(
  options: InformerOptions<T>,
  state: State<T>,
): Promise<Result<Ended, KubernetesError>> {
  const { transport, selection, keep, signal } = options;
  const listed = await listAll(transport, selection, keep, signal);
  return listed.ok ? replace(options, state, listed.value.objects, listed.value.version) : listed;
}

/** All of it at once. Refused when it is older than what was seen: then another server lags. */
function replace<T>(
  { selection, log }: InformerOptions<T>,
  state: State<T>,
  objects: Map<string, T>,
  version: bigint,
): Result<Ended, KubernetesError> {
  if (version < state.seen && state.oldLists < OLD_LISTS_MAX) {
    state.oldLists += 1;
    const detail = `the list of ${selection.resource.plural} is of version ${version}, older than ${state.seen}; tried again`;
    return err({ code: "unavailable", retry: "transient", detail });
  }
  if (version < state.seen) {
    log("warn", "Kubernetes went back to an older state: was etcd restored from a backup?", {
      version: String(version),
      seen: String(state.seen),
    });
    state.seen = version;
  }
  state.oldLists = 0;
  state.lists += 1;
  state.held = objects;
  advance(state, version);
  return ok("listed");
}

function advance<T>(state: State<T>, version: bigint): void {
  state.heard = true;
  state.seen = laterVersion(state.seen, version);
  state.resumeAt = state.seen;
}

function connect<T>(state: State<T>): void {
  state.connected = true;
  state.error = undefined;
  tell(state);
}

async function watchOn<T>(
  options: InformerOptions<T>,
  state: State<T>,
  version: bigint,
): Promise<Result<Ended, KubernetesError>> {
  return await watchOnce({
    ...options,
    from: { version },
    onOpen: () => connect(state),
    onEvent: (event) => {
      apply(options, state, event);
      return true;
    },
  });
}

/** The beginning is collected aside; what follows it is an ordinary watch. */
async function watchList<T>(
  options: InformerOptions<T>,
  state: State<T>,
): Promise<Result<Ended, KubernetesError>> {
  const aside = new Map<string, T>();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), INITIAL_MS_MAX);
  let complete = false;
  let refused: Result<Ended, KubernetesError> = ok("listed");
  const onEvent = (event: ObjectOrBookmark): boolean => {
    if (complete) apply(options, state, event);
    else if (event.kind !== "bookmark") put(options, aside, event);
    else if (event.initialEventsEnd) {
      clearTimeout(timer);
      refused = replace(options, state, aside, event.version);
      complete = refused.ok;
      if (complete) connect(state);
      return complete;
    }
    return true;
  };
  const signal = AbortSignal.any([options.signal, late.signal]);
  const ended = await watchOnce({
    ...options,
    signal,
    from: "initial-events",
    onOpen: () => undefined,
    onEvent,
  });
  clearTimeout(timer);
  if (!refused.ok) return refused;
  // An older server calls the parameters invalid, or never sends the end of the beginning.
  const isUnknown = late.signal.aborted || (!ended.ok && ended.error.code === "invalid");
  if (!complete && isUnknown) {
    state.hasWatchList = false;
    return await listByPages(options, state);
  }
  return ended;
}

type ObjectOrBookmark = Exclude<WatchEvent, { kind: "error" }>;
type ObjectEvent = Exclude<ObjectOrBookmark, { kind: "bookmark" }>;

function apply<T>(options: InformerOptions<T>, state: State<T>, event: ObjectOrBookmark): void {
  advance(state, event.version);
  if (event.kind !== "bookmark" && put(options, state.held, event)) tell(state);
}

/** Did that change anything? */
function put<T>(
  { keep, same }: InformerOptions<T>,
  into: Map<string, T>,
  { kind, uid, object }: ObjectEvent,
): boolean {
  const before = into.get(uid);
  const now = kind === "deleted" ? undefined : keep(object);
  if (now === undefined) return into.delete(uid);
  into.set(uid, now);
  return before === undefined || !same(before, now);
}
