/**
 * One stream of one kind, of a namespace or of all: what comes is compared with what was sent, and what
 * differs is handed on.
 *
 * Invariants (test/agent/collect/watch/source.test.ts):
 *  - an object that a list does not have is gone only when that list is complete, and is not older than it;
 *  - an older version of an object never follows a newer one, unless etcd was put back;
 *  - what could not be handed on is sent again after the next list.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KubernetesError } from "../../../shared/kubernetes/error.ts";
import type { FollowSink, ListedObject } from "../../../shared/kubernetes/follow.ts";
import type { AnnotationRule } from "../encode/annotations.ts";
import type { CollectedKind } from "../encode/kind.ts";
import { type Encoded, encode } from "../encode/record.ts";
import { type ChurnLimit, openChurnLimit } from "../send/churn.ts";
import type { Known } from "../send/object-index.ts";

/** False, or a promise of it: no room; nothing more until the next list. */
type Taken = boolean | Promise<boolean>;

/** An object at one version. */
export type Sighting = { readonly uid: string; readonly version: bigint };

export type SourceOptions = {
  readonly kind: CollectedKind;
  readonly isAllowed: AnnotationRule;
  readonly known: Map<string, Known>;
  readonly pass: () => number;
  readonly send: (encoded: Encoded, sighting: Sighting) => Taken;
  readonly sendGone: (uid: string) => void;
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** Does `send` take one more without waiting? */
  readonly hasRoom: () => boolean;
  /** Complete in this pass, or not reached: whoever closes passes looks again. */
  readonly moved: () => void;
  /** etcd was put back: all must be sent again. */
  readonly restored: () => void;
  readonly clock: Pick<Clock, "monotonicMs">;
};

/** How far it is. */
export type SourceState = {
  /** The pass that its last complete list belongs to. */
  completePass: number;
  isConnected: boolean;
  error: KubernetesError | undefined;
  /** When Kubernetes last said anything, and the version up to which nothing is missing. */
  heardMs: number;
  version: bigint;
};

export type ObjectSource = {
  readonly state: SourceState;
  readonly sink: FollowSink;
  /** Sends what was held back and may go now. */
  readonly flush: () => void;
  /** Kubernetes has no such resource any more. */
  readonly clear: () => void;
};

type Held = { readonly encoded: Encoded; readonly version: bigint };

type Parts = {
  readonly options: SourceOptions;
  readonly state: SourceState;
  readonly churn: ChurnLimit;
  /** Changed too often: the newest of each, which goes later. */
  readonly held: Map<string, Held>;
  /** The number of the list under way, or of the last one. */
  list: number;
};

export function openSource(options: SourceOptions): ObjectSource {
  const state: SourceState = {
    completePass: 0,
    isConnected: false,
    error: undefined,
    heardMs: options.clock.monotonicMs(),
    version: 0n,
  };
  const parts: Parts = { options, state, churn: openChurnLimit(), held: new Map(), list: 0 };
  return {
    state,
    sink: sinkOf(parts),
    flush: () => flush(parts),
    clear: () => {
      for (const uid of [...options.known.keys()]) drop(parts, uid);
    },
  };
}

function sinkOf(parts: Parts): FollowSink {
  const { options, state } = parts;
  return {
    ready: options.ready,
    listing: () => {
      parts.list += 1;
    },
    listed: (object) => take(parts, object, true),
    complete: (version, restored) => complete(parts, version, restored),
    changed: ({ kind, uid, version, object }) => {
      hear(parts, version);
      if (kind !== "deleted") return take(parts, { uid, version, object }, false);
      drop(parts, uid);
      return true;
    },
    bookmark: (version) => hear(parts, version),
    connected: () => {
      state.isConnected = true;
      state.error = undefined;
      hear(parts, state.version);
      options.moved();
    },
    broken: (error) => {
      state.isConnected = false;
      if (error !== undefined) state.error = error;
      options.moved();
    },
  };
}

function hear({ options, state }: Parts, version: bigint): void {
  state.heardMs = options.clock.monotonicMs();
  state.version = version;
}

function drop({ options, held }: Parts, uid: string): void {
  options.known.delete(uid);
  held.delete(uid);
  options.sendGone(uid);
}

async function handOn({ options }: Parts, uid: string, entry: Known, now: Held): Promise<boolean> {
  const isTaken = await options.send(now.encoded, { uid, version: now.version });
  if (!isTaken) entry.hash = undefined;
  return isTaken;
}

function take(parts: Parts, { uid, version, object }: ListedObject, isListed: boolean): Taken {
  const { options, churn, held, list } = parts;
  const { known, kind, isAllowed, clock } = options;
  const before = known.get(uid);
  if (before !== undefined && version < before.version) {
    before.list = list;
    return true;
  }
  const encoded = encode(kind, object, isAllowed);
  const pass = options.pass();
  const isSame = before?.hash === encoded.hash && before.pass === pass;
  const entry = before ?? { hash: undefined, version, pass: 0, list };
  entry.version = version;
  entry.list = list;
  if (isSame) return true;
  entry.hash = encoded.hash;
  entry.pass = pass;
  known.set(uid, entry);
  if (!isListed && !churn.take(uid, clock.monotonicMs())) {
    held.set(uid, { encoded, version });
    return true;
  }
  held.delete(uid);
  return handOn(parts, uid, entry, { encoded, version });
}

function complete(parts: Parts, version: bigint, restored: boolean): void {
  const { options, state, list } = parts;
  hear(parts, version);
  for (const [uid, entry] of options.known) {
    const isGone = entry.list !== list && (restored || entry.version <= version);
    if (isGone) drop(parts, uid);
    else if (restored) entry.version = 0n;
  }
  state.completePass = options.pass();
  state.error = undefined;
  if (restored) options.restored();
  else options.moved();
}

/** What was held back and may go now. It never waits: its object's end could pass it then. */
function flush(parts: Parts): void {
  const { options, churn, held } = parts;
  const nowMs = options.clock.monotonicMs();
  churn.sweep(nowMs);
  for (const [uid, { encoded, version }] of held) {
    if (!options.hasRoom()) return;
    if (!churn.take(uid, nowMs)) continue;
    held.delete(uid);
    void options.send(encoded, { uid, version });
  }
}
