/**
 * One term of a leader: everything between promotion and its end. Consumers, the runtime's watch, ticks and
 * timers put events into the inbox and the leader's state and wake the loop; rounds process them.
 */
import type { Clock } from "../../../shared/clock.ts";
import type { Call } from "../../../shared/deadline.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Producer } from "../../../shared/kafka/producer/producer.ts";
import type { Log } from "../../../shared/log.ts";
import type { LedgerRecord } from "../../../shared/protocol/ledger.ts";
import type { Result } from "../../../shared/result.ts";
import type { Groups } from "../act/groups.ts";
import type { Outcomes, TimeReading } from "../act/outcome.ts";
import { rolloutLog } from "../act/rollout.ts";
import { createExpiry } from "../fleet/expiry.ts";
import type { FleetSettings } from "../fleet/fleet.ts";
import { type Ages, createAges } from "../fleet/observed-time.ts";
import { createTroubleSpot, type LastingTrouble, troubleOf } from "../follow/readiness.ts";
import type { ControlEntry } from "../follow/standby.ts";
import { type BeatCounts, createBeatCounts } from "../heartbeat/fold.ts";
import { countRefused, heartbeatHandler } from "../heartbeat/handler.ts";
import { runTicks, type TickOptions } from "../heartbeat/watermark.ts";
import type { Inbox } from "../inbox.ts";
import { type FleetConditions, readConditions } from "../plan/input.ts";
import { type AuditTrail, openAuditTrail } from "../record/audit.ts";
import type { QuarantineQueue } from "../record/quarantine.ts";
import {
  type SaveOptions,
  saveAudits,
  saveLedger,
  saveQuarantine,
  TermLost,
} from "../record/write.ts";
import type { Recorder } from "../recorder.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { createActual } from "../state/actual-state.ts";
import { createBackoffs } from "../state/backoff.ts";
import { type LeaderState, openLeaderState } from "../state/leader-state.ts";
import { applyOffsets, begin, noticeLedger } from "../state/ledger.ts";
import { specHashOf, type WorkerSettings } from "../worker/spec.ts";
import { type Fence, openFence } from "./fence.ts";
import { flushAudits } from "./flush.ts";
import { openOffsetKeeper } from "./offset-keeper.ts";
import { foldControl } from "./operator-records.ts";
import { historyOf, type Promoted } from "./promotion.ts";
import { keepResyncing } from "./resync.ts";
import { type RoundDeps, runRound } from "./round.ts";
import { watchStrays } from "./stray-watch.ts";

export type TermSettings = FleetSettings & {
  readonly watermarkIntervalMs: number;
  readonly reconcileIntervalMs: number;
  readonly actWindowMs: number;
  readonly brakePercent: number;
  /** Former names of the fleet; workers with these names are ours, too. */
  readonly fleetAliases: readonly string[];
  readonly workerMinReadyMs: number;
};

export type TermDeps = {
  readonly promoted: Promoted;
  readonly heartbeatPartitions: number;
  readonly settings: TermSettings;
  readonly worker: WorkerSettings;
  readonly instance: string;
  /** True if the registry is not compacted: then orphans are not stopped. */
  readonly registryHarmful: boolean;
  readonly inbox: Inbox;
  readonly runtime: Runtime;
  readonly producer: Producer;
  readonly quarantine: QuarantineQueue;
  readonly groups: Groups;
  readonly fence: (call: Call) => Promise<Result<null, KafkaError>>;
  readonly recorder: Recorder;
  readonly log: Log;
  readonly clock: Clock;
};

export type Term = {
  readonly epoch: number;
  readonly leaderState: LeaderState;
  readonly ages: Ages;
  readonly counts: BeatCounts;
  /** Monotonic ms. */
  readonly beganMs: number;
  readonly conditions: () => FleetConditions;
  /** Why nothing can be written, so that nothing is done; undefined if all is well. */
  readonly trouble: () => LastingTrouble | undefined;
  readonly onHeartbeats: (batch: ReadBatch) => void;
  readonly onLedger: (record: LedgerRecord) => void;
  readonly onControl: (entry: ControlEntry) => void;
  /** The ledger topic lost its content: everything is written again. */
  readonly rewriteLedger: () => void;
  readonly end: (reason: string) => void;
  /** Runs until the term ends; resolves to the reason. */
  readonly run: () => Promise<string>;
};

/** State that the parts of a term share. */
type Parts = {
  readonly deps: TermDeps;
  readonly epoch: number;
  readonly leaderState: LeaderState;
  readonly ages: Ages;
  readonly counts: BeatCounts;
  readonly trail: AuditTrail;
  readonly save: SaveOptions;
  readonly trouble: () => LastingTrouble | undefined;
  readonly ended: AbortSignal;
  readonly end: (reason: string) => void;
  readonly readTime: () => TimeReading;
  readonly conditions: () => FleetConditions;
};

export function openTerm(deps: TermDeps): Term {
  const parts = openParts(deps);
  const { leaderState, epoch, ages, counts, trail, end, conditions } = parts;
  const { inbox } = deps;
  return {
    epoch,
    leaderState,
    ages,
    counts,
    beganMs: deps.clock.monotonicMs(),
    conditions,
    trouble: parts.trouble,
    onHeartbeats: heartbeatHandler(parts),
    onLedger: (record) => noticeLedger(leaderState, record, epoch, end),
    onControl: (entry) => {
      if (entry.record.kind === "leader" && entry.offset > epoch) {
        end(`a newer leader has epoch ${entry.offset}`);
      }
      const audit = foldControl(leaderState, entry, trail, {
        epoch,
        topicId: deps.promoted.topicId,
      });
      if (audit !== undefined) leaderState.audits.push(audit);
      inbox.wake();
    },
    rewriteLedger: () => {
      for (const clientId of leaderState.fleet.clusters.keys()) leaderState.unsaved.add(clientId);
      for (const partition of leaderState.fleet.applied.keys())
        leaderState.unsavedApplied.add(partition);
      inbox.wake();
    },
    end,
    run: () => runTerm(parts),
  };
}

function openParts(deps: TermDeps): Parts {
  const { promoted, settings, log, clock } = deps;
  const { epoch, fleet } = promoted;
  const ended = new AbortController();
  const ages = createAges({
    partitions: deps.heartbeatPartitions,
    intervalMs: settings.watermarkIntervalMs,
    heartbeatTimeoutMs: settings.heartbeatTimeoutMs,
  });
  const expiry = createExpiry(ages, settings);
  const actual = createActual(deps.worker.fleet, settings.fleetAliases);
  const specHash = specHashOf(deps.worker);
  const known = { fleet, actual, expiry, backoffs: createBackoffs(clock.random) };
  const leaderState = openLeaderState({ ...known, specHash });
  const trouble = createTroubleSpot(clock.monotonicMs);
  return {
    deps,
    epoch,
    leaderState,
    ages,
    counts: createBeatCounts(),
    trail: openAuditTrail({ epoch, clock, log }),
    save: {
      producer: deps.producer,
      signal: ended.signal,
      clock,
      warn: log.warn,
      trouble: (error) => void trouble.note(error && troubleOf(error)),
    },
    trouble: trouble.present,
    ended: ended.signal,
    end: (reason) => ended.abort(reason),
    readTime: () => ({
      monotonicMs: clock.monotonicMs(),
      nowMs: clock.nowMs(),
      seen: { clock: ages.joint, atMs: ages.observedMs(ages.joint) },
    }),
    conditions: () =>
      readConditions(leaderState, {
        registryHarmful: deps.registryHarmful,
        specHash,
        monotonicMs: clock.monotonicMs(),
        nowMs: clock.nowMs(),
        workerMinReadyMs: settings.workerMinReadyMs,
        cleanupTimeoutMs: settings.cleanupTimeoutMs,
        brakePercent: settings.brakePercent,
      }),
  };
}

/** Makes rounds, one after the other, until the term is over; concurrent tasks end with it. */
async function runTerm(parts: Parts): Promise<string> {
  const { deps, leaderState, epoch, ended, end } = parts;
  const { inbox, recorder, clock } = deps;
  const fence = openFence({ ...deps, ended, end });
  const outcomes = { runtime: deps.runtime.runtime, tell: recorder.event };
  const round = roundDeps(parts, fence, outcomes);
  begin(leaderState, parts.ages);
  const beside = [
    runTicks(tickOptions(parts)),
    deps.quarantine.run(parts.save),
    watchStrays({ ...deps, leaderState, signal: ended, wake: inbox.wake }),
    keepResyncing({ ...deps, leaderState, readTime: parts.readTime, outcomes, signal: ended }),
  ];
  const sayRollout = rolloutLog(leaderState, deps.log);
  const keeper = openOffsetKeeper({ ...deps, leaderState, signal: ended, wake: inbox.wake });
  while (!ended.aborted) {
    const startedMs = clock.monotonicMs();
    for (const clientId of leaderState.backoffs.take(startedMs)) leaderState.dirty.add(clientId);
    const taken = inbox.take();
    applyOffsets(leaderState, taken, epoch);
    if (!(await survives(runRound(round, taken), end))) break;
    sayRollout();
    recorder.round(clock.monotonicMs() - startedMs);
    keeper.run();
    await inbox.wait(earliest(leaderState.backoffs.nextMs(), fence.openMs()), ended);
  }
  await flushAudits(leaderState, deps.producer);
  await Promise.all([...beside, keeper.closed()]);
  return String(ended.reason);
}

function roundDeps(parts: Parts, fence: Fence, outcomes: Outcomes): RoundDeps {
  const { deps, leaderState, ages, trail, save, epoch, readTime, conditions } = parts;
  return {
    leaderState,
    topicId: deps.promoted.topicId,
    history: historyOf(deps.promoted.registry),
    ages,
    trail,
    worker: deps.worker,
    outcomes,
    readTime,
    conditions,
    saveQuarantine: (refused) => saveQuarantine(refused, save),
    saveLedger: () => saveLedger(leaderState, epoch, save),
    saveAudits: (audits) => saveAudits(audits, save),
    fence: fence.fence,
    wake: deps.inbox.wake,
    refusedSeen: (refused) => countRefused(deps.recorder, deps.log, "registry", refused),
    judged: (judged) => {
      deps.recorder.judged(judged);
      for (const { clientId } of judged.changed) parts.counts.unregistered.delete(clientId);
    },
    warn: deps.log.warn,
  };
}

const tickOptions = ({ deps, ages, epoch, ended }: Parts): TickOptions => ({
  producer: deps.producer,
  ages,
  epoch,
  instance: deps.instance,
  intervalMs: deps.settings.watermarkIntervalMs,
  clock: deps.clock,
  signal: ended,
  failed: (partition, detail) => {
    deps.recorder.tickFailed(partition);
    deps.log.debug("a tick was not written", { partition, detail });
  },
});

async function survives(round: Promise<void>, end: (reason: string) => void): Promise<boolean> {
  try {
    await round;
    return true;
  } catch (cause) {
    if (!(cause instanceof TermLost)) throw cause;
    end(cause.message);
    return false;
  }
}

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
