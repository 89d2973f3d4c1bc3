/**
 * Waits until this broker may be stopped, for the `preStop` hook of Kafka's own container. `watchRound`
 * (pure) decides when to end; `drain` only waits. It changes nothing in Kafka and is no lock: two brokers
 * may get "safe" at the same time (docs/probes.md).
 */
import type { Log } from "../../shared/log.ts";
import { type RiskRows, riskRows } from "./probe/response.ts";
import { outcomeOf, probeStatus, type Readings } from "./probe/status.ts";

export const DRAIN_MS_DEFAULT = 120_000;
export const DRAIN_MS_MIN = 1000;
export const DRAIN_MS_MAX = 3_600_000;
/** How many may wait at the same time; a preStop hook needs one. */
export const DRAINS_MAX = 32;
/** One safe round may be luck, such as while an ISR shrinks and grows. */
const SAFE_ROUNDS = 2;
/**
 * This many rounds without life end the drain: liveness fails, so the kubelet restarts Kafka, and waiting
 * would only delay that. A single one may be a pause, such as a long garbage collection.
 */
const LIFELESS_ROUNDS = 2;
const LOOK_MS = 100;
const REASONS_MAX = 5;
const PROGRESS_MS = 10_000;

/** The result of a round. */
type Sight = {
  readonly beganMs: number;
  readonly safe: boolean;
  readonly alive: boolean;
  readonly reason: string;
};

/** State over the rounds that began after the drain did. */
export type Watch = {
  readonly lastBeganMs: number;
  readonly safeInRow: number;
  readonly lifelessInRow: number;
  readonly reason: string;
  /** Why it waited: the first few reasons, each once. */
  readonly waitedFor: readonly string[];
};

export const openWatch = (beganMs: number): Watch => ({
  lastBeganMs: beganMs,
  safeInRow: 0,
  lifelessInRow: 0,
  reason: "no round has been made since the drain began",
  waitedFor: [],
});

/** A round that began before the drain, or was counted before, changes nothing. */
export function watchRound(watch: Watch, { beganMs, safe, alive, reason }: Sight): Watch {
  if (beganMs <= watch.lastBeganMs) return watch;
  const lifelessInRow = alive ? 0 : watch.lifelessInRow + 1;
  if (safe) {
    const safeInRow = watch.safeInRow + 1;
    const rounds = `safe for ${safeInRow} of ${SAFE_ROUNDS} rounds in a row`;
    return { ...watch, lastBeganMs: beganMs, safeInRow, lifelessInRow, reason: rounds };
  }
  const isNew = !watch.waitedFor.includes(reason) && watch.waitedFor.length < REASONS_MAX;
  const waitedFor = isNew ? [...watch.waitedFor, reason] : watch.waitedFor;
  return { lastBeganMs: beganMs, safeInRow: 0, lifelessInRow, reason, waitedFor };
}

export type DrainDeps = {
  readonly readings: Readings;
  /** Resolves early, and never rejects, when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Aborts when the sidecar itself stops: it cannot know any more. */
  readonly stopping: AbortSignal;
  readonly log: Log;
};

type Ending =
  | "safe"
  | "not-alive"
  | "timeout"
  | "sidecar-stopping"
  | "client-gone"
  | "misconfigured";

export type Drained = {
  readonly brokerId: number;
  readonly safe: boolean;
  readonly ending: Ending;
  readonly waitedMs: number;
  readonly timeoutMs: number;
  /** Why it is not safe; absent when it is. */
  readonly error?: string;
  readonly waitedFor: readonly string[];
} & RiskRows;

/** @param gone aborts when the caller has gone away. */
export async function drain(
  timeoutMs: number,
  gone: AbortSignal,
  { readings, sleep, stopping, log }: DrainDeps,
): Promise<Drained> {
  const {
    clock: { monotonicMs },
  } = readings;
  const startMs = monotonicMs();
  const either = AbortSignal.any([gone, stopping]);
  const progress = openProgress(log, startMs, timeoutMs);
  let watch = openWatch(startMs);
  for (;;) {
    watch = look(watch, readings);
    const waitedMs = monotonicMs() - startMs;
    const leftMs = timeoutMs - waitedMs;
    const ending = endingOf(watch, readings, leftMs, { gone, stopping });
    if (ending !== undefined) {
      progress.ended(ending, waitedMs, watch);
      return drained(ending, Math.round(waitedMs), timeoutMs, watch, readings);
    }
    progress.waits(monotonicMs(), watch);
    await sleep(Math.min(LOOK_MS, leftMs), either);
  }
}

function look(watch: Watch, readings: Readings): Watch {
  const round = readings.latest();
  if (round === undefined) return watch;
  const now = probeStatus(readings);
  const { healthy: safe, error } = outcomeOf("restart-safe", now, readings);
  const { healthy: alive } = outcomeOf("live", now, readings);
  return watchRound(watch, { beganMs: round.beganMs, safe, alive, reason: error ?? "safe" });
}

function endingOf(
  { safeInRow, lifelessInRow }: Watch,
  { misconfigured }: Readings,
  leftMs: number,
  { gone, stopping }: { readonly gone: AbortSignal; readonly stopping: AbortSignal },
): Ending | undefined {
  if (safeInRow >= SAFE_ROUNDS) return "safe";
  if (lifelessInRow >= LIFELESS_ROUNDS) return "not-alive";
  // No round will ever come.
  if (misconfigured !== undefined) return "misconfigured";
  if (stopping.aborted) return "sidecar-stopping";
  if (gone.aborted) return "client-gone";
  return leftMs <= 0 ? "timeout" : undefined;
}

/** Reports what is unsafe now: rounds may have stopped since the last one that was counted. */
function drained(
  ending: Ending,
  waitedMs: number,
  timeoutMs: number,
  { reason, waitedFor }: Watch,
  readings: Readings,
): Drained {
  const now = probeStatus(readings);
  const error = outcomeOf("restart-safe", now, readings).error ?? reason;
  return {
    ...{ brokerId: readings.brokerId, safe: ending === "safe", ending, waitedMs, timeoutMs },
    ...(ending === "safe" ? {} : { error }),
    ...{ waitedFor, ...riskRows(now) },
  };
}

/** Logs a line when it begins and ends, for each new reason, and every PROGRESS_MS; never one per round. */
function openProgress(log: Log, startMs: number, timeoutMs: number) {
  let told = { atMs: startMs, reasons: 0 };
  log.info("a drain began", { timeout_ms: timeoutMs });
  return {
    waits: (nowMs: number, { reason, waitedFor }: Watch) => {
      if (waitedFor.length === told.reasons && nowMs - told.atMs < PROGRESS_MS) return;
      told = { atMs: nowMs, reasons: waitedFor.length };
      log.info("a drain waits", { waited_ms: Math.round(nowMs - startMs), reason });
    },
    ended: (ending: Ending, waitedMs: number, { reason }: Watch) => {
      const fields = { ending, waited_ms: Math.round(waitedMs), reason };
      if (ending === "safe") log.info("a drain ended: safe to stop", fields);
      else log.warn("a drain ended: not safe to stop", fields);
    },
  };
}
