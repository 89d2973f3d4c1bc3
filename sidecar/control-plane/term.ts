/**
 * One term of a leader: everything between promotion and its end. Readers, the runtime's watch, ticks
 * and timers put things into inbox and book and wake the loop; rounds work them off one by one.
 */
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { ReadBatch } from "../../shared/kafka/reader.ts";
import type { Call } from "../../shared/kafka/request.ts";
import type { Writer } from "../../shared/kafka/writer.ts";
import type { Log } from "../../shared/log.ts";
import type { LedgerRecord } from "../../shared/protocol/ledger.ts";
import type { Refused } from "../../shared/protocol/quarantine.ts";
import type { Result } from "../../shared/result.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { createActual } from "./actual.ts";
import { type Ages, createAges } from "./age.ts";
import { openAuditTrail } from "./audit.ts";
import { type BeatCounts, createBeatCounts, foldBeats } from "./beats.ts";
import { type Book, openBook, touch } from "./book.ts";
import { decide } from "./decision.ts";
import type { Executor } from "./execute.ts";
import type { FleetSettings } from "./fleet.ts";
import { openGate } from "./gate.ts";
import type { Inbox, Taken } from "./inbox.ts";
import { keepListing } from "./listing.ts";
import type { Moment } from "./outcome.ts";
import type { Promoted } from "./promote.ts";
import type { QuarantineQueue } from "./quarantine.ts";
import { createRetries } from "./retry.ts";
import { type RoundDeps, runRound } from "./round.ts";
import { type SaveOptions, saveAudits, saveLedger, saveQuarantine, TermLost } from "./save.ts";
import { createSilence } from "./silence.ts";
import type { Sink } from "./sink.ts";
import { readWeather, type Weather } from "./situation.ts";
import { specHashOf, type WorkerSettings } from "./spec.ts";
import type { ControlEntry } from "./standby.ts";
import { runTicks } from "./tick.ts";

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
  readonly weather: () => Weather;
  readonly onHeartbeats: (batch: ReadBatch) => void;
  readonly onLedger: (record: LedgerRecord) => void;
  readonly onControl: (entry: ControlEntry) => void;
  /** The ledger topic lost what was in it: everything is written again. */
  readonly rewriteLedger: () => void;
  readonly end: (reason: string) => void;
  /** Runs until the term ends; resolves to why it did. */
  readonly run: () => Promise<string>;
};

export function openTerm(deps: TermDeps): Term {
  const { promoted, settings, inbox, sink, log, monotonicMs, nowMs } = deps;
  const { epoch, fleet } = promoted;
  const ended = new AbortController();
  const ages = createAges({
    partitions: deps.heartbeatPartitions,
    intervalMs: settings.watermarkIntervalMs,
    heartbeatTimeoutMs: settings.heartbeatTimeoutMs,
  });
  const silence = createSilence(ages, settings);
  const retries = createRetries(deps.random);
  const book = openBook({ fleet, actual: createActual(deps.worker.fleet), silence, retries });
  const counts = createBeatCounts();
  const trail = openAuditTrail({ epoch, nowMs, log });
  const specHash = specHashOf(deps.worker);
  const save: SaveOptions = {
    writer: deps.writer,
    signal: ended.signal,
    random: deps.random,
    warn: log.warn,
  };

  const end = (reason: string): void => ended.abort(reason);
  const seenNow = () => ({ clock: ages.joint, atMs: ages.observedMs(ages.joint) });
  const moment = (): Moment => ({ monotonicMs: monotonicMs(), nowMs: nowMs(), seen: seenNow() });
  const weather = (): Weather =>
    readWeather(book, {
      registryHarmful: deps.registryHarmful,
      specHash,
      monotonicMs: monotonicMs(),
      cleanupTimeoutMs: settings.cleanupTimeoutMs,
      brakePercent: settings.brakePercent,
    });
  const outcomes = { runtime: deps.runtime.runtime, tell: sink.event };
  const gate = openGate({ ...deps, ended: ended.signal, end });

  const round: RoundDeps = {
    book,
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
    wake: inbox.wake,
    refusedSeen: (refused) => countRefused(sink, log, "registry", refused),
    judged: sink.judged,
    warn: log.warn,
  };

  const onHeartbeats = (batch: ReadBatch): void => {
    const advanced = foldBeats(
      {
        fleet,
        ages,
        silence,
        counts,
        isOwn: (tick) => tick.epoch === epoch,
        beat: sink.beat,
        changed: (cluster) => {
          touch(book, cluster);
          inbox.wake();
        },
        refused: (refused) => {
          countRefused(sink, log, "heartbeat", [refused]);
          deps.quarantine.put(refused);
        },
        nowMs,
      },
      batch,
    );
    if (advanced.size === 0) return;
    inbox.ticked();
    const crossed = silence.take([...advanced]);
    if (crossed.length > 0) inbox.crossed(crossed);
    else if (book.held.size > 0) inbox.wake();
  };

  const run = async (): Promise<string> => {
    begin(book, ages);
    const listing = keepListing({ ...deps, book, moment, outcomes, signal: ended.signal });
    const beside = [
      runTicks({
        writer: deps.writer,
        ages,
        epoch,
        instance: deps.instance,
        intervalMs: settings.watermarkIntervalMs,
        monotonicMs,
        signal: ended.signal,
        failed: (partition, detail) => {
          sink.tickFailed(partition);
          log.debug("a tick was not written", { partition, detail });
        },
      }),
      deps.quarantine.run(save),
      listing,
    ];
    while (!ended.signal.aborted) {
      const startedMs = monotonicMs();
      for (const clientId of retries.take(startedMs)) book.dirty.add(clientId);
      const taken = inbox.take();
      applyOffsets(book, taken, epoch);
      countRefused(sink, log, "registry", taken.corrupt);
      if (!(await survives(runRound(round, taken), end))) break;
      sink.round(monotonicMs() - startedMs);
      await inbox.wait(earliest(retries.nextMs(), gate.openMs()), ended.signal);
    }
    await Promise.all(beside);
    return String(ended.signal.reason);
  };

  return {
    epoch,
    book,
    ages,
    counts,
    weather,
    onHeartbeats,
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
      for (const clientId of fleet.clusters.keys()) book.unsaved.add(clientId);
      for (const partition of fleet.applied.keys()) book.unsavedApplied.add(partition);
      inbox.wake();
    },
    end,
    run,
  };
}

/** Everybody starts at age zero: what happened before this term we have not seen. */
function begin(book: Book, ages: Ages): void {
  const seen = { clock: ages.joint, atMs: 0 };
  for (const cluster of book.fleet.clusters.values()) {
    cluster.seen = seen;
    cluster.beat = undefined;
    if (cluster.worker !== null) book.restarts.set(cluster.clientId, cluster.worker.restarts);
    book.silence.schedule(cluster);
    if (cluster.withdrawal !== "done") book.dirty.add(cluster.clientId);
  }
}

function applyOffsets(book: Book, taken: Taken, epoch: number): void {
  for (const [partition, offset] of taken.applied) {
    const before = book.fleet.applied.get(partition);
    if (before === undefined || (before.offset === offset && before.epoch === epoch)) continue;
    book.fleet.applied.set(partition, { ...before, offset, epoch });
    book.unsavedApplied.add(partition);
  }
}

/** A lower epoch behind our own record would survive compaction: ours is written again. */
function heedLedger(
  book: Book,
  record: LedgerRecord,
  epoch: number,
  end: (reason: string) => void,
): void {
  const written = record.kind === "status" ? record.status.epoch : record.applied.epoch;
  if (written > epoch) end(`the ledger has a record of epoch ${written}`);
  if (written >= epoch) return;
  if (record.kind === "applied") book.unsavedApplied.add(record.partition);
  else if (book.fleet.clusters.has(record.status.client_id)) {
    book.unsaved.add(record.status.client_id);
  }
}

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

function countRefused(
  sink: Sink,
  log: Log,
  topic: "registry" | "heartbeat",
  refused: readonly Refused[],
): void {
  for (const { partition, offset, error } of refused) {
    sink.refused(topic, error.code);
    const fields = { topic, partition, offset, reason: error.code, detail: error.detail };
    if (topic === "registry") log.warn("quarantined a registry record", fields);
    else log.debug("quarantined a heartbeat", fields);
  }
}

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
