/**
 * Keeps all objects of one kind up to date: lists them once, then watches them, until the signal aborts.
 * Whatever happens to the connection, the server or its history, it goes on trying.
 *
 * Invariants (test/system/door-kubernetes.test.ts, test/shared/kubernetes/informer.test.ts):
 *  - the state is never half a list: a new list is collected separately and replaces the old one at once;
 *  - the version that it continues from never decreases;
 *  - a version that the server has forgotten (410, as a status or as an event) is followed by a new list;
 *  - `current` answers only while the watch is connected: otherwise the state may be old.
 */

import type { Clock } from "../clock.ts";
import { err, ok, type Result } from "../result.ts";
import { repeat, type Turn } from "../retry.ts";
import type { KubernetesError } from "./error.ts";
import { listAll } from "./list.ts";
import type { Selection } from "./resource.ts";
import { laterVersion } from "./resource-version.ts";
import type { Transport } from "./transport.ts";
import { type WatchEnd, watchOnce } from "./watch.ts";
import type { WatchEvent } from "./watch-event.ts";

const RETRY = { baseMs: 100, maxMs: 5_000 } as const;
/** If a watch-list has not ended by then, the list is read in pages instead. */
const INITIAL_MS_MAX = 10_000;
/** A list that is older than what was seen is refused; after this many, etcd was restored to an older state. */
const OLD_LISTS_MAX = 5;

export type InformerLog = (
  level: "debug" | "warn",
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export type InformerOptions<T> = {
  readonly transport: Transport;
  readonly selection: Selection;
  /** What is kept of an object; undefined: it is not ours. */
  readonly keep: (object: unknown) => T | undefined;
  /** Whether two versions of an object are the same to subscribers: then they are not called. */
  readonly same: (one: T, other: T) => boolean;
  readonly clock: Clock;
  readonly log: InformerLog;
  readonly signal: AbortSignal;
  /** Silence after which a connection counts as dead. */
  readonly idleMs?: number;
};

export type Informer<T> = {
  /** All objects, by uid, once they are known to be current; or an error if the signal aborts before. */
  readonly current: (
    signal: AbortSignal,
  ) => Promise<Result<ReadonlyMap<string, T>, KubernetesError>>;
  /** The present state, however old. */
  readonly held: () => ReadonlyMap<string, T>;
  /** Calls back after each change; returns a function that ends that. */
  readonly onChange: (listener: () => void) => () => void;
  /** How often it has listed: more than once means that history was lost. */
  readonly lists: () => number;
};

/** How a successful attempt ended. */
type Ended = WatchEnd | "listed";

type State<T> = {
  held: Map<string, T>;
  /** Where the next watch continues; undefined: list first. */
  resumeAt: bigint | undefined;
  /** The latest version ever seen. */
  seen: bigint;
  connected: boolean;
  lists: number;
  oldLists: number;
  /** Whether anything came in this attempt. */
  heard: boolean;
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
    // A terminal refusal will not change while the caller waits here.
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
  const { signal, clock, log } = options;
  const turn = async (failures: number): Promise<Turn> => {
    state.heard = false;
    const ended = await attempt(options, state);
    state.connected = false;
    if (signal.aborted) return "over";
    // A watch that ends at once and without an event, again and again, must not be reopened at once.
    if (ended.ok && (state.heard || ended.value !== "ended")) return "again";
    if (!ended.ok) {
      state.error = ended.error;
      if (ended.error.code === "expired") state.resumeAt = undefined;
      log(failures === 0 ? "debug" : "warn", "a watch of Kubernetes broke", {
        error: ended.error.detail,
        attempt: failures,
      });
    }
    tell(state);
    return "failed";
  };
  await repeat(turn, { ...RETRY, clock }, signal);
  tell(state);
}

/** Lasts as long as its watch; a list in pages returns at once, and the next attempt watches. */
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

/** Replaces the state at once. Refused when the list is older than what was seen: then another server lags. */
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

/** The initial events are collected separately; what follows is an ordinary watch. */
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
  // An older server calls the parameters invalid, or never marks the end of the initial events.
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

/** Whether that changed anything. */
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
