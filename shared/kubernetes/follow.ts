/**
 * Passes on all objects of one kind, and then each change: lists them once, then watches them, until the
 * signal aborts. Whatever happens to the connection, the server or its history, it goes on trying. It keeps
 * no objects itself.
 *
 * Invariants (test/system/door-kubernetes.test.ts, test/shared/kubernetes/informer.test.ts):
 *  - a list counts only when it is complete: an object that is not in it is gone only then;
 *  - the version that it continues from never decreases, unless etcd was restored to an older state;
 *  - a version that the server has forgotten (410, as a status or as an event) is followed by a new list;
 *  - a consumer that cannot take more delays the stream; one that gives up gets a new list later.
 */
import type { Clock } from "../clock.ts";
import { err, ok, type Result } from "../result.ts";
import { repeat, type Turn } from "../retry.ts";
import type { KubernetesError } from "./error.ts";
import { listEach } from "./list.ts";
import { openPatience } from "./patience.ts";
import type { Selection } from "./resource.ts";
import { laterVersion } from "./resource-version.ts";
import type { Transport } from "./transport.ts";
import { type WatchEnd, watchOnce } from "./watch.ts";
import { NO_VERSION, type ObjectEvent, type ObjectOrBookmark } from "./watch-event.ts";

const BACKOFF = { baseMs: 100, maxMs: 5_000 } as const;
/**
 * If a watch-list brings nothing for this long before its end, the list is read in pages instead. In all:
 * one whose changes go on, but whose beginning has no end, is given up as well.
 */
const INITIAL_MAX = { silenceMs: 10_000, totalMs: 120_000 } as const;
/** So many watches in a row that end at once and without an event; then a list. */
const EMPTY_MAX = 3;
/** A list that is older than what was seen is refused; after this many, etcd was restored to an older state. */
const OLD_LISTS_MAX = 5;

export type KubernetesLog = (
  level: "debug" | "warn",
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export type ListedObject = Pick<ObjectEvent, "uid" | "version" | "object">;

/** False: take no more, and list again later. A promise delays the stream. */
type MayGoOn = boolean | Promise<boolean>;

/** The consumer of objects and changes. */
export type FollowSink = {
  /** Called before each attempt to list or watch; resolves when more can be taken. */
  readonly ready?: (signal: AbortSignal) => Promise<void>;
  /** A list begins; the objects of one that was cut off no longer count. */
  readonly listing: () => void;
  readonly listed: (object: ListedObject) => MayGoOn;
  /** The list is complete. `restored`: versions start again, below those that were seen. */
  readonly complete: (version: bigint, restored: boolean) => void;
  readonly changed: (event: ObjectEvent) => MayGoOn;
  /** Everything up to this version has been passed on. */
  readonly bookmark?: (version: bigint) => void;
  /** From now on changes are passed on as they happen. */
  readonly connected: () => void;
  /** They no longer are, because of this error; undefined if the attempt ended normally. */
  readonly broken: (error: KubernetesError | undefined) => void;
};

export type FollowOptions = {
  readonly transport: Transport;
  readonly selection: Selection;
  readonly sink: FollowSink;
  readonly clock: Clock;
  readonly log: KubernetesLog;
  readonly signal: AbortSignal;
  /** Silence after which a connection counts as dead. */
  readonly idleMs?: number;
};

export type Follower = {
  /** Lists again, now. */
  readonly relist: () => void;
  readonly ended: Promise<void>;
};

/** How a successful attempt ended. */
type Ended = WatchEnd | "listed";

type State = {
  /** Where the next watch continues; undefined: list first. */
  resumeAt: bigint | undefined;
  /** The latest version ever seen. */
  seen: bigint;
  oldLists: number;
  /** Whether anything came in this attempt. */
  heard: boolean;
  hasWatchList: boolean;
  /** Ends the attempt under way. */
  attempt: AbortController;
};

export function follow(options: FollowOptions): Follower {
  const state: State = {
    resumeAt: undefined,
    seen: 0n,
    oldLists: 0,
    heard: false,
    hasWatchList: true,
    attempt: new AbortController(),
  };
  return {
    relist: () => {
      state.resumeAt = undefined;
      state.attempt.abort();
    },
    ended: goOn(options, state),
  };
}

function goOn(options: FollowOptions, state: State): Promise<void> {
  const { signal, sink, clock } = options;
  const turn = async (failures: number): Promise<Turn> => {
    await sink.ready?.(signal);
    if (signal.aborted) return "over";
    const own = new AbortController();
    state.attempt = own;
    state.heard = false;
    const within = { ...options, signal: AbortSignal.any([signal, own.signal]) };
    const ended = await attempt(within, state);
    return turnOf(options, state, ended, { isAsked: own.signal.aborted, failures });
  };
  return repeat(turn, { ...BACKOFF, clock }, signal);
}

type Occasion = { readonly isAsked: boolean; readonly failures: number };

function turnOf(
  { signal, sink, log }: FollowOptions,
  state: State,
  ended: Result<Ended, KubernetesError>,
  { isAsked, failures }: Occasion,
): Turn {
  // The consumer asked to list again: that is no failure, and the list begins at once.
  if (isAsked || signal.aborted || ended.ok) sink.broken(undefined);
  else sink.broken(ended.error);
  if (isAsked || signal.aborted) return "again";
  // A watch that ends at once and without an event, again and again, must not be reopened at once.
  if (ended.ok && (state.heard || ended.value !== "ended")) return "again";
  if (ended.ok) {
    // Events have no watch cache: a forgotten version gets no 410, but an empty answer.
    if (failures >= EMPTY_MAX) state.resumeAt = undefined;
    return "failed";
  }
  if (ended.error.code === "expired") state.resumeAt = undefined;
  log(failures === 0 ? "debug" : "warn", "a watch of Kubernetes broke", {
    error: ended.error.detail,
    attempt: failures,
  });
  return "failed";
}

/** Lasts as long as its watch; a list in pages returns at once, and the next attempt watches. */
async function attempt(
  options: FollowOptions,
  state: State,
): Promise<Result<Ended, KubernetesError>> {
  if (state.resumeAt !== undefined) return await watchOn(options, state, state.resumeAt);
  return state.hasWatchList ? await watchList(options, state) : await listByPages(options, state);
}

async function listByPages(
  { transport, selection, sink, log, signal }: FollowOptions,
  state: State,
): Promise<Result<Ended, KubernetesError>> {
  const listed = await listEach(transport, selection, sink, signal);
  if (!listed.ok) return listed;
  if (listed.value === "given-up") return ok("listed");
  return complete({ selection, sink, log }, state, listed.value);
}

/** Refused when the list is older than what was seen: then another server lags. */
function complete(
  { selection, sink, log }: Pick<FollowOptions, "selection" | "sink" | "log">,
  state: State,
  version: bigint,
): Result<Ended, KubernetesError> {
  const isOlder = version < state.seen;
  if (isOlder && state.oldLists < OLD_LISTS_MAX) {
    state.oldLists += 1;
    const detail = `the list of ${selection.resource.plural} is of version ${version}, older than ${state.seen}; tried again`;
    return err({ code: "unavailable", retry: "transient", detail });
  }
  if (isOlder) {
    log("warn", "Kubernetes went back to an older state: was etcd restored from a backup?", {
      version: String(version),
      seen: String(state.seen),
    });
    state.seen = version;
  }
  state.oldLists = 0;
  advance(state, version);
  sink.complete(version, isOlder);
  return ok("listed");
}

function advance(state: State, version: bigint): void {
  state.heard = true;
  state.seen = laterVersion(state.seen, version);
  state.resumeAt = state.seen;
}

async function watchOn(
  options: FollowOptions,
  state: State,
  version: bigint,
): Promise<Result<Ended, KubernetesError>> {
  const { sink } = options;
  return await watchOnce({
    ...options,
    from: { version },
    onOpen: sink.connected,
    onEvent: (event) => onChange(options, state, event),
  });
}

async function onChange(
  { sink }: FollowOptions,
  state: State,
  event: ObjectOrBookmark,
): Promise<boolean> {
  if (event.kind === "bookmark") {
    if (event.version === NO_VERSION) return true;
    advance(state, event.version);
    sink.bookmark?.(event.version);
    return true;
  }
  const goesOn = await sink.changed(event);
  if (goesOn) advance(state, event.version);
  else state.resumeAt = undefined;
  return goesOn;
}

/** The initial events are the list; what follows is an ordinary watch. */
async function watchList(
  options: FollowOptions,
  state: State,
): Promise<Result<Ended, KubernetesError>> {
  const { sink } = options;
  const patience = openPatience(INITIAL_MAX, options.clock);
  const sinceMs = options.clock.monotonicMs();
  let isComplete = false;
  let isGivenUp = false;
  let refused: Result<Ended, KubernetesError> = ok("listed");
  const onEvent = async (event: ObjectOrBookmark): Promise<boolean> => {
    if (isComplete) return await onChange(options, state, event);
    patience.pause();
    if (event.kind === "bookmark" && event.initialEventsEnd) {
      refused = complete(options, state, event.version);
      isComplete = refused.ok;
      if (isComplete) sink.connected();
      return isComplete;
    }
    const goesOn = event.kind === "bookmark" || (await takeInitial(sink, event));
    patience.resume();
    isGivenUp = !goesOn;
    return goesOn;
  };
  sink.listing();
  const signal = AbortSignal.any([options.signal, patience.signal]);
  const from = "initial-events";
  const ended = await watchOnce({ ...options, signal, from, onOpen: () => undefined, onEvent });
  patience.pause();
  if (!refused.ok) return refused;
  if (isComplete || isGivenUp || options.signal.aborted) return ended;
  // An older server calls the parameters invalid, or never marks the end of the initial events.
  const isUnknown = patience.signal.aborted || (!ended.ok && ended.error.code === "invalid");
  if (isUnknown) state.hasWatchList = false;
  // One that we took too long for may end again before its end: its time is limited, that of pages is not.
  const isLong = options.clock.monotonicMs() - sinceMs >= INITIAL_MAX.totalMs;
  return isUnknown || isLong ? await listByPages(options, state) : ended;
}

/** A server whose cache lags first sends objects that it deletes again before the end of the initial events. */
const takeInitial = (sink: FollowSink, event: ObjectEvent): MayGoOn =>
  event.kind === "deleted" ? sink.changed(event) : sink.listed(event);
