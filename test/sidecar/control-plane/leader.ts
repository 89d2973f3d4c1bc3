/** A leader without Kafka: a book, a writer that notes what it is given, and a runtime made by hand. */

import type { Log } from "../../../shared/log.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Executor } from "../../../sidecar/control-plane/act/execute.ts";
import type { Event } from "../../../sidecar/control-plane/act/outcome.ts";
import { createExpiry } from "../../../sidecar/control-plane/fleet/expiry.ts";
import { createFleet } from "../../../sidecar/control-plane/fleet/fleet.ts";
import { createAges } from "../../../sidecar/control-plane/fleet/observed-time.ts";
import { createBeatCounts } from "../../../sidecar/control-plane/heartbeat/fold.ts";
import { heartbeatHandler } from "../../../sidecar/control-plane/heartbeat/handler.ts";
import { createInbox } from "../../../sidecar/control-plane/inbox.ts";
import type { Round, RoundDeps } from "../../../sidecar/control-plane/leader/round.ts";
import { runRound } from "../../../sidecar/control-plane/leader/round.ts";
import { readConditions } from "../../../sidecar/control-plane/plan/input.ts";
import { openAuditTrail } from "../../../sidecar/control-plane/record/audit.ts";
import { createQuarantineQueue } from "../../../sidecar/control-plane/record/quarantine.ts";
import {
  type SaveOptions,
  saveAudits,
  saveLedger,
  saveQuarantine,
} from "../../../sidecar/control-plane/record/write.ts";
import type { Runtime, RuntimeError } from "../../../sidecar/control-plane/runtime/runtime.ts";
import { createActual } from "../../../sidecar/control-plane/state/actual-state.ts";
import { createBackoffs } from "../../../sidecar/control-plane/state/backoff.ts";
import {
  type LeaderState,
  openLeaderState,
} from "../../../sidecar/control-plane/state/leader-state.ts";
import { until } from "../../bed/condition.ts";
import { clockOf } from "../../clock.ts";
import { FLEET, SPEC, workerOf } from "./sample.ts";

/** A round's input when nothing was read and no time passed. */
export const NOTHING: Round = { registry: [], corrupt: [], crossed: [], ticked: false };

const EPOCH = 7;
const TIMEOUTS = { heartbeatTimeoutMs: 12_000, cleanupTimeoutMs: 30_000 };
const INTERVAL_MS = 1_000;

export type Bench = ReturnType<typeof openBench>;

export function openBench() {
  const journal: string[] = [];
  const events: Event[] = [];
  const ages = createAges({ partitions: 1, intervalMs: INTERVAL_MS, ...TIMEOUTS });
  const expiry = createExpiry(ages, TIMEOUTS);
  const parts = { fleet: createFleet(), actual: createActual(FLEET), expiry };
  const leaderState: LeaderState = openLeaderState({
    ...parts,
    backoffs: createBackoffs(() => 1),
    specHash: SPEC,
  });
  const clock = { ms: 0, tick: 0 };
  /** What a test turns: refused fences, topics that cannot be written, how acts end. */
  const knobs = {
    fenced: true,
    mayAct: true,
    brokenTopic: "",
    specHash: SPEC,
    prepare: (): Result<null, RuntimeError> => ok(null),
    act: (): Promise<void> => Promise.resolve(),
  };
  const lost = new AbortController();

  const save: SaveOptions = {
    producer: {
      send: (topic, records) => {
        if (topic === knobs.brokenTopic) {
          lost.abort();
          const error = { code: "timeout", retry: "transient", detail: "no answer" } as const;
          return Promise.resolve(err(error));
        }
        journal.push(`${topic}: ${records.map(({ key }) => String(key)).join(" ")}`);
        return Promise.resolve(ok([]));
      },
    },
    signal: lost.signal,
    clock: clockOf({ random: () => 0 }),
    warn: () => undefined,
    trouble: () => undefined,
  };

  let instances = 0;
  const runtime: Runtime = {
    runtime: "process",
    scope: "test",
    list: () => Promise.resolve(ok({ workers: [], foreign: [] })),
    watch: () => undefined,
    prepare: () => Promise.resolve(knobs.prepare()),
    start: async ({ clientId, specHash }) => {
      journal.push(`start ${clientId}`);
      await knobs.act();
      instances += 1;
      return ok(workerOf({ clientId, specHash, instance: `${clientId}-${instances}` }));
    },
    stop: async ({ clientId }) => {
      journal.push(`stop ${clientId}`);
      await knobs.act();
      return ok(null);
    },
  };
  const executor: Executor = {
    runtime,
    deleteGroup: async (group) => {
      journal.push(`delete ${group}`);
      await knobs.act();
      return ok(null);
    },
    putBackOffsets: async (group) => {
      journal.push(`put back ${group}`);
      await knobs.act();
    },
    mayAct: () => knobs.mayAct,
    signal: lost.signal,
  };

  const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const log: Log = { ...silent, error: () => undefined, with: () => log };
  const handle = heartbeatHandler({
    ...{ leaderState, ages, counts: createBeatCounts(), epoch: EPOCH },
    deps: {
      ...{ inbox: createInbox(() => clock.ms), quarantine: createQuarantineQueue(), log },
      ...{ settings: TIMEOUTS, clock: clockOf({ nowMs: () => clock.ms }) },
      recorder: {
        ...{ event: () => undefined, beat: () => undefined, refused: () => undefined },
        ...{ judged: () => undefined, round: () => undefined, tickFailed: () => undefined },
        fenced: () => undefined,
      },
    },
  });

  const deps: RoundDeps = {
    leaderState,
    topicId: "registry-1",
    history: { ends: new Map(), judged: new Set() },
    ages,
    trail: openAuditTrail({ epoch: EPOCH, clock: clockOf({ nowMs: () => clock.ms }), log }),
    worker: {
      ...{ fleet: FLEET, program: [], environment: {} },
      secretEnvironment: () => ({}),
    },
    outcomes: { runtime: "process", tell: (event) => events.push(event) },
    readTime: () => ({
      ...{ monotonicMs: clock.ms, nowMs: clock.ms },
      seen: { clock: ages.joint, atMs: ages.observedMs(ages.joint) },
    }),
    conditions: () =>
      readConditions(leaderState, {
        ...{ registryHarmful: false, specHash: knobs.specHash, monotonicMs: clock.ms },
        ...{ nowMs: clock.ms, workerMinReadyMs: 60_000 },
        ...{ cleanupTimeoutMs: TIMEOUTS.cleanupTimeoutMs, brakePercent: 30 },
      }),
    saveQuarantine: (refused) => saveQuarantine(refused, save),
    saveLedger: () => saveLedger(leaderState, EPOCH, save),
    saveAudits: (list) => saveAudits(list, save),
    fence: () => {
      journal.push("fence");
      return Promise.resolve(knobs.fenced ? executor : undefined);
    },
    wake: () => undefined,
    refusedSeen: () => undefined,
    judged: () => undefined,
    warn: () => undefined,
  };

  return {
    ...{ deps, leaderState, ages, clock, knobs, journal, events, runtime },
    /** One round, to the end of the acts that it began, and what was done in it. */
    round: async (
      input: Partial<Round> = {},
      more: Partial<RoundDeps> = {},
    ): Promise<readonly string[]> => {
      const before = journal.length;
      for (const clientId of leaderState.backoffs.take(clock.ms)) leaderState.dirty.add(clientId);
      await runRound({ ...deps, ...more }, { ...NOTHING, ...input });
      await until("the acts to end", () => leaderState.busy.size === 0, {
        deadlineMs: 5_000,
        intervalMs: 1,
      });
      return journal.slice(before);
    },
    /** Observed time passes in ticks of one interval; returns what crossed a deadline. */
    pass: (ms: number) => {
      const crossed: Round["crossed"][number][] = [];
      for (const endMs = clock.ms + ms; clock.ms < endMs; ) {
        if (clock.tick > 0) clock.ms += INTERVAL_MS;
        clock.tick += 1;
        ages.sent(clock.tick, clock.ms);
        crossed.push(...expiry.take(ages.read(0, clock.tick)));
      }
      return crossed;
    },
    /** A beat is read. */
    hear: (clientId: ClientId): void => {
      const key = Buffer.from(clientId);
      const value = Buffer.from(JSON.stringify({ client_id: clientId }));
      const when = { timestampMs: clock.ms, timestampType: "append" } as const;
      const beats = [{ offset: 0, ...when, key, value, headers: () => ({}) }];
      const place = { topic: "cluster.heartbeat", partition: 0, nextOffset: 1, highWatermark: 1 };
      handle({ ...place, records: beats, corrupt: [] });
    },
    stateOf: (clientId: ClientId) => leaderState.fleet.clusters.get(clientId)?.state,
  };
}
