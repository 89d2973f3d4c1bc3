/**
 * One kind: its streams, its full passes, and the marks that close them.
 *
 * Invariants (test/system/collect-kubernetes.test.ts):
 *  - a mark that closes a pass is put behind everything that its lists brought;
 *  - a kind that is forbidden or out of reach closes nothing; one that Kubernetes does not have closes an
 *    empty pass.
 */
import { discover } from "../../../shared/kubernetes/discovery.ts";
import { type Follower, follow } from "../../../shared/kubernetes/follow.ts";
import type { Selection } from "../../../shared/kubernetes/resource.ts";
import { AS_TABLE } from "../../../shared/kubernetes/table.ts";
import type { CollectedKind } from "../encode/kind.ts";
import { type ObjectIndex, openObjectIndex } from "../send/object-index.ts";
import { type KindJobs, openKindJobs } from "./kind-jobs.ts";
import { type KindState, kindState } from "./kind-state.ts";
import type { LifeContext } from "./life-context.ts";
import { type ObjectSource, openSource } from "./source.ts";

/** Between two marks while something changes. */
const MARK_MS = 30_000;

export type KindOptions = {
  readonly kind: CollectedKind;
  /** One for each namespace, or one for all. */
  readonly selections: readonly Selection[];
  /** As it stands in marks and scope. */
  readonly scope: string;
  readonly fullPassMs: number;
  readonly began: () => void;
  /** A pass was closed, and Kafka has its mark. */
  readonly closed: (seconds: number) => void;
  readonly stateChanged: (state: KindState) => void;
};

export type KindWatch = {
  readonly kind: CollectedKind;
  readonly scope: string;
  readonly state: () => KindState;
  readonly count: () => number;
  /** Objects that Kafka does not take. */
  readonly refused: () => number;
  /** Milliseconds since Kubernetes last said anything of this kind. */
  readonly ageMs: () => number;
  /** Nothing more is to be waited for: closed, or known not to be closed. */
  readonly isSettled: () => boolean;
  readonly hasClosed: () => boolean;
  /** To be called about once a second. */
  readonly tick: () => Promise<void>;
  readonly ended: Promise<unknown>;
};

type State = {
  pass: number;
  passBeganMs: number;
  /** The mark that closes this pass was put into the queue. */
  isMarkPut: boolean;
  hasClosed: boolean;
  /** Discovery says that there is no such resource. */
  isMissing: boolean;
  /** Something was sent since the last mark. */
  isDirty: boolean;
  markedMs: number;
  said: KindState;
};

type Parts = {
  readonly life: LifeContext;
  readonly options: KindOptions;
  readonly state: State;
  readonly index: ObjectIndex;
  readonly jobs: KindJobs;
  readonly sources: ObjectSource[];
  readonly followers: Follower[];
};

export function openKindWatch(life: LifeContext, options: KindOptions): KindWatch {
  const { kind, selections, scope } = options;
  const nowMs = life.clock.monotonicMs();
  const state: State = {
    ...{ pass: 1, passBeganMs: nowMs, markedMs: nowMs, said: { state: "collected" } },
    ...{ isMarkPut: false, hasClosed: false, isMissing: false, isDirty: false },
  };
  const sources: ObjectSource[] = [];
  const index = openObjectIndex(selections.length);
  const refused = new Set<string>();
  const ageMs = () =>
    Math.round(Math.max(...sources.map((each) => life.clock.monotonicMs() - each.state.heardMs)));
  const jobs = openKindJobs(life, {
    ...{ kind, scope, index, refused, ageMs },
    pass: () => state.pass,
    version: () => versionOf(sources),
  });
  const parts: Parts = { life, options, state, index, jobs, sources, followers: [] };
  sources.push(...selections.map((_selection, number) => openKindSource(parts, number)));
  options.began();
  parts.followers.push(
    ...selections.map((selection, number) => followSource(parts, selection, number)),
  );
  return {
    ...{ kind, scope, ageMs, count: index.count },
    state: () => state.said,
    refused: () => refused.size,
    isSettled: () => state.hasClosed || state.said.state === "forbidden",
    hasClosed: () => state.hasClosed,
    tick: () => tick(parts),
    ended: Promise.all(parts.followers.map(({ ended }) => ended)),
  };
}

function openKindSource(parts: Parts, number: number): ObjectSource {
  const { life, options, state, index, jobs } = parts;
  const { sender, isAllowed, clock } = life;
  const { kind } = options;
  return openSource({
    ...{ kind, isAllowed, clock },
    known: index.known(number),
    pass: () => state.pass,
    send: (encoded, sighting) => {
      state.isDirty = true;
      return sender.put(jobs.object(encoded, sighting));
    },
    sendGone: (uid) => {
      if (kind.isEvent) return;
      state.isDirty = true;
      sender.add(jobs.gone(uid));
    },
    ready: sender.ready,
    hasRoom: sender.hasRoom,
    moved: () => look(parts),
    restored: () => beginPass(parts),
  });
}

function followSource(
  { life, options, sources }: Parts,
  selection: Selection,
  number: number,
): Follower {
  const { transport, clock, log, signal } = life;
  const sink = sources[number]?.sink;
  if (sink === undefined) throw new Error(`no source ${number} of ${options.kind.kind}`);
  const asked = options.kind.asTable ? { ...selection, accept: AS_TABLE } : selection;
  return follow({ transport, selection: asked, sink, clock, log, signal });
}

/** After anything moved: is the pass to be closed, and is the kind's state another one? */
function look(parts: Parts): void {
  const { life, options, state, sources } = parts;
  const states = sources.map((each) => each.state);
  if (states.every(({ error }) => error === undefined)) state.isMissing = false;
  if (!state.isMarkPut && states.every(({ completePass }) => completePass === state.pass)) {
    state.isMarkPut = true;
    putMark(parts, true);
  }
  const now = kindState(states, state.isMissing, life.clock.monotonicMs());
  if (now.state === state.said.state) return;
  state.said = now;
  options.stateChanged(now);
}

function putMark({ life, options, state, jobs }: Parts, full: boolean): void {
  const { sender, clock } = life;
  state.markedMs = clock.monotonicMs();
  state.isDirty = false;
  const beganMs = state.passBeganMs;
  const confirmed = () => {
    if (!full) return;
    state.hasClosed = true;
    options.closed((clock.monotonicMs() - beganMs) / 1000);
  };
  // Events are kept by age: nothing closes them.
  if (options.kind.isEvent) confirmed();
  else sender.add(jobs.mark(full, confirmed));
}

function beginPass({ life, options, state, followers }: Parts): void {
  state.pass += 1;
  state.passBeganMs = life.clock.monotonicMs();
  state.isMarkPut = false;
  options.began();
  for (const follower of followers) follower.relist();
}

async function tick(parts: Parts): Promise<void> {
  const { life, options, state, sources } = parts;
  look(parts);
  await lookForResource(parts);
  for (const source of sources) source.flush();
  const nowMs = life.clock.monotonicMs();
  if (state.isDirty && state.hasClosed && nowMs - state.markedMs >= MARK_MS) putMark(parts, false);
  if (nowMs - state.passBeganMs >= options.fullPassMs) beginPass(parts);
}

/** A 404 may be a wrong path, or a server on its way up: discovery knows whether the resource exists. */
async function lookForResource(parts: Parts): Promise<void> {
  const { life, options, state, sources } = parts;
  const isUnknown = sources.some((each) => each.state.error?.code === "not-found");
  if (!isUnknown || state.isMissing) return;
  const found = await discover(life.transport, options.kind.resource, life.signal);
  if (!found.ok || found.value) return;
  state.isMissing = true;
  for (const source of sources) source.clear();
  putMark(parts, true);
  look(parts);
}

/** Up to here nothing is missing in any of them. */
const versionOf = (sources: readonly ObjectSource[]): bigint =>
  sources.map(({ state }) => state.version).sort((one, other) => (one < other ? -1 : 1))[0] ?? 0n;
