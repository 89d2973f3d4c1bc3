/**
 * One term of a leader: everything between promotion and its end. Readers, the runtime's watch, ticks
 * and timers put things into inbox and book and wake the loop; rounds work them off one by one.
 */
import { sleep } from "../../../shared/deadline.ts";
import type { Call } from "../../../shared/kafka/api/request.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/consumer.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Writer } from "../../../shared/kafka/producer/producer.ts";
import type { Log } from "../../../shared/log.ts";
import type { LedgerRecord } from "../../../shared/protocol/ledger.ts";
import { AUDIT } from "../../../shared/protocol/topic.ts";
import type { Result } from "../../../shared/result.ts";
import type { Executor } from "../act/execute.ts";
import type { Moment, Outcomes } from "../act/outcome.ts";
import { createSilence } from "../fleet/expiry.ts";
import type { FleetSettings } from "../fleet/fleet.ts";
import { type Ages, createAges } from "../fleet/observed-time.ts";
import { type BeatCounts, createBeatCounts } from "../heartbeat/fold.ts";
import { countRefused, heartbeatHandler } from "../heartbeat/handler.ts";
import { runTicks, type TickOptions } from "../heartbeat/watermark.ts";
import type { Inbox } from "../inbox.ts";
import { readWeather, type Weather } from "../plan/input.ts";
import { type AuditTrail, auditRecord, openAuditTrail } from "../record/audit.ts";
import type { QuarantineQueue } from "../record/quarantine.ts";
import {
  type SaveOptions,
  saveAudits,
  saveLedger,
  saveQuarantine,
  TermLost,
} from "../record/write.ts";
import type { Sink } from "../recorder.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { createActual } from "../state/actual-state.ts";
import { createRetries } from "../state/backoff.ts";
import { type Book, openBook } from "../state/leader-state.ts";
import { applyOffsets, begin, heedLedger } from "../state/ledger.ts";
import { specHashOf, type WorkerSettings } from "../worker/spec.ts";
import { type Gate, openGate } from "./fence.ts";
import { decide } from "./operator-records.ts";
import type { Promoted } from "./promotion.ts";
import { keepListing } from "./resync.ts";
import { type RoundDeps, runRound } from "./round.ts";
import type { ControlEntry } from "./standby.ts";

const FLUSH_MS = 1_000;
const FLUSH_STEP_MS = 20;

export type TermSettings = FleetSettings & {
  readonly watermarkIntervalMs: number;
  readonly reconcileIntervalMs: number;
  readonly actWindowMs: number;
  readonly brakePercent: number;
};

export type TermDeps = {
  readonly promoted: Promoted;
  readonly heartbeatPartitions: number;
  readonly settings: TermSettings;
  readonly worker: WorkerSettings;
  readonly instance: string;
  /** The registry is not compacted: orphans are not stopped. */
  readonly registryHarmful: boolean;
  readonly inbox: Inbox;
  readonly runtime: Runtime;
  readonly writer: Writer;
  readonly quarantine: QuarantineQueue;
  readonly deleteGroup: Executor["deleteGroup"];
  readonly fence: (call: Call) => Promise<Result<null, KafkaError>>;
  readonly sink: Sink;
  readonly log: Log;
  readonly monotonicMs: () => number;
  readonly nowMs: () => number;
  readonly random: () => number;
};

export type Term = {
  readonly epoch: number;
  readonly book: Book;
  readonly ages: Ages;
  readonly counts: BeatCounts;
  /** Monotonic ms. */
  readonly beganMs: number;
  readonly weather: () => Weather;
  /** Why nothing can be written, and so nothing is done; undefined when all is well. */
  readonly trouble: () => string | undefined;
  readonly onHeartbeats: (batch: ReadBatch) => void;
  readonly onLedger: (record: LedgerRecord) => void;
  readonly onControl: (entry: ControlEntry) => void;
  /** The ledger topic lost what was in it: everything is written again. */
  readonly rewriteLedger: () => void;
  readonly end: (reason: string) => void;
  /** Runs until the term ends; resolves to why it did. */
  readonly run: () => Promise<string>;
};

/** What the parts of a term share. */
type Parts = {
  readonly deps: TermDeps;
  readonly epoch: number;
  readonly book: Book;
  readonly ages: Ages;
  readonly counts: BeatCounts;
  readonly trail: AuditTrail;
  readonly save: SaveOptions;
  readonly trouble: () => string | undefined;
  readonly ended: AbortSignal;
  readonly end: (reason: string) => void;
  readonly moment: () => Moment;
  readonly weather: () => Weather;
};

export function openTerm(deps: TermDeps): Term {
  const parts = openParts(deps);
  const { book, epoch, ages, counts, trail, end, weather } = parts;
  const { inbox } = deps;
  return {
    epoch,
    book,
    ages,
    counts,
    beganMs: deps.monotonicMs(),
    weather,
    trouble: parts.trouble,
    onHeartbeats: heartbeatHandler(parts),
    onLedger: (record) => heedLedger(book, record, epoch, end),
    onControl: (entry) => {
      if (entry.record.kind === "leader" && entry.offset > epoch) {
        end(`a newer leader has epoch ${entry.offset}`);
      }
      const audit = decide(book, entry, trail, epoch);
      if (audit !== undefined) book.audits.push(audit);
      inbox.wake();
    },
    rewriteLedger: () => {
      for (const clientId of book.fleet.clusters.keys()) book.unsaved.add(clientId);
      for (const partition of book.fleet.applied.keys()) book.unsavedApplied.add(partition);
      inbox.wake();
    },
    end,
    run: () => runTerm(parts),
  };
}

function openParts(deps: TermDeps): Parts {
  const { promoted, settings, log, monotonicMs, nowMs, random } = deps;
  const { epoch, fleet } = promoted;
  const ended = new AbortController();
  const ages = createAges({
    partitions: deps.heartbeatPartitions,
    intervalMs: settings.watermarkIntervalMs,
    heartbeatTimeoutMs: settings.heartbeatTimeoutMs,
  });
  const silence = createSilence(ages, settings);
  const actual = createActual(deps.worker.fleet);
  const book = openBook({ fleet, actual, silence, retries: createRetries(random) });
  const specHash = specHashOf(deps.worker);
  let trouble: string | undefined;
  return {
    deps,
    epoch,
    book,
    ages,
    counts: createBeatCounts(),
    trail: openAuditTrail({ epoch, nowMs, log }),
    save: {
      writer: deps.writer,
      signal: ended.signal,
      random,
      warn: log.warn,
      trouble: (detail) => {
        trouble = detail;
      },
    },
    trouble: () => trouble,
    ended: ended.signal,
    end: (reason) => ended.abort(reason),
    moment: () => ({
      monotonicMs: monotonicMs(),
      nowMs: nowMs(),
      seen: { clock: ages.joint, atMs: ages.observedMs(ages.joint) },
    }),
    weather: () =>
      readWeather(book, {
        registryHarmful: deps.registryHarmful,
        specHash,
        monotonicMs: monotonicMs(),
        cleanupTimeoutMs: settings.cleanupTimeoutMs,
        brakePercent: settings.brakePercent,
      }),
  };
}

/** Rounds, one after the other, until the term is over; what runs beside them ends with it. */
async function runTerm(parts: Parts): Promise<string> {
  const { deps, book, epoch, ended, end } = parts;
  const { inbox, sink, monotonicMs } = deps;
  const gate = openGate({ ...deps, ended, end });
  const outcomes = { runtime: deps.runtime.runtime, tell: sink.event };
  const round = roundDeps(parts, gate, outcomes);
  begin(book, parts.ages);
  const beside = [
    runTicks(tickOptions(parts)),
    deps.quarantine.run(parts.save),
    keepListing({ ...deps, book, moment: parts.moment, outcomes, signal: ended }),
  ];
  while (!ended.aborted) {
    const startedMs = monotonicMs();
    for (const clientId of book.retries.take(startedMs)) book.dirty.add(clientId);
    const taken = inbox.take();
    applyOffsets(book, taken, epoch);
    if (!(await survives(runRound(round, taken), end))) break;
    sink.round(monotonicMs() - startedMs);
    await inbox.wait(earliest(book.retries.nextMs(), gate.openMs()), ended);
  }
  await flushAudits(parts);
  await Promise.all(beside);
  return String(ended.reason);
}

/** What was done before the end is said: acts under way get a moment, their outcomes one write. */
async function flushAudits({ deps, book }: Parts): Promise<void> {
  for (let waitedMs = 0; book.busy.size > 0 && waitedMs < FLUSH_MS; waitedMs += FLUSH_STEP_MS) {
    await sleep(FLUSH_STEP_MS);
  }
  const audits = book.audits.splice(0).map(auditRecord);
  if (audits.length > 0) await deps.writer.send(AUDIT, audits, { deadlineMs: FLUSH_MS });
}

function roundDeps(parts: Parts, gate: Gate, outcomes: Outcomes): RoundDeps {
  const { deps, book, ages, trail, save, epoch, moment, weather } = parts;
  return {
    book,
    topicId: deps.promoted.topicId,
    ages,
    trail,
    worker: deps.worker,
    outcomes,
    moment,
    weather,
    saveQuarantine: (refused) => saveQuarantine(refused, save),
    saveLedger: () => saveLedger(book, epoch, save),
    saveAudits: (audits) => saveAudits(audits, save),
    fence: gate.fence,
    wake: deps.inbox.wake,
    refusedSeen: (refused) => countRefused(deps.sink, deps.log, "registry", refused),
    judged: (judged) => {
      deps.sink.judged(judged);
      for (const { clientId } of judged.changed) parts.counts.unregistered.delete(clientId);
    },
    warn: deps.log.warn,
  };
}

const tickOptions = ({ deps, ages, epoch, ended }: Parts): TickOptions => ({
  writer: deps.writer,
  ages,
  epoch,
  instance: deps.instance,
  intervalMs: deps.settings.watermarkIntervalMs,
  monotonicMs: deps.monotonicMs,
  signal: ended,
  failed: (partition, detail) => {
    deps.sink.tickFailed(partition);
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
