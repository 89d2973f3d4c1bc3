/**
 * Keeps all objects of one kind up to date in memory: follow.ts with a map.
 *
 * Invariants (test/system/door-kubernetes.test.ts, test/shared/kubernetes/informer.test.ts):
 *  - the state is never half a list: a new list is collected separately and replaces the old one at once;
 *  - `current` answers only while the watch is connected: otherwise the state may be old.
 */
import { err, ok, type Result } from "../result.ts";
import type { KubernetesError } from "./error.ts";
import { type FollowOptions, type FollowSink, follow } from "./follow.ts";
import type { ObjectEvent } from "./watch-event.ts";

export type InformerOptions<T> = Omit<FollowOptions, "sink"> & {
  /** What is kept of an object; undefined: it is not ours. */
  readonly keep: (object: unknown) => T | undefined;
  /** Whether two versions of an object are the same to subscribers: then they are not called. */
  readonly same: (one: T, other: T) => boolean;
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

type State<T> = {
  held: Map<string, T>;
  /** The objects of the list under way. */
  aside: Map<string, T>;
  connected: boolean;
  listing: boolean;
  lists: number;
  error: KubernetesError | undefined;
  readonly listeners: Set<() => void>;
};

export function openInformer<T>(options: InformerOptions<T>): Informer<T> {
  const state: State<T> = {
    held: new Map(),
    aside: new Map(),
    connected: false,
    listing: false,
    lists: 0,
    error: undefined,
    listeners: new Set(),
  };
  void follow({ ...options, sink: sinkOf(options, state) }).ended.then(() => tell(state));
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

function sinkOf<T>(options: InformerOptions<T>, state: State<T>): FollowSink {
  return {
    listing: () => {
      state.aside = new Map();
      state.listing = true;
    },
    listed: ({ uid, object }) => {
      const kept = options.keep(object);
      if (kept === undefined) state.aside.delete(uid);
      else state.aside.set(uid, kept);
      return true;
    },
    complete: () => {
      state.lists += 1;
      state.held = state.aside;
      state.aside = new Map();
      state.listing = false;
    },
    changed: (event) => {
      const isSeen = put(options, state.listing ? state.aside : state.held, event);
      if (isSeen && !state.listing) tell(state);
      return true;
    },
    connected: () => {
      state.connected = true;
      state.error = undefined;
      tell(state);
    },
    broken: (error) => {
      state.connected = false;
      if (error === undefined) return;
      state.error = error;
      tell(state);
    },
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
