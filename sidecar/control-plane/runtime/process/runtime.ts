/**
 * The runtime `process`: workers are processes of this host, for edge hosts and the demo.
 *
 * Invariants (test/contract/runtime.ts, test/sidecar/runtime/):
 *  - at most one process runs per name, wherever this process is killed;
 *  - a worker outlives us and is adopted by the next control plane with the same state directory;
 *  - a signal goes only to the process that the name file identifies by pid and start time;
 *  - a name file that we did not write is neither changed nor removed.
 */

import { mkdirSync, readdirSync, realpathSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../../../shared/clock.ts";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { Runtime, RuntimeError } from "../runtime.ts";
import type { ProcessContext } from "./context.ts";
import { fail, unavailable } from "./error.ts";
import { listWorkers } from "./list.ts";
import { openLock } from "./lock.ts";
import { rotateLogs } from "./log-rotation.ts";
import { workerPath } from "./name-file.ts";
import { readBootId } from "./proc-table.ts";
import { programError, startWorker } from "./start.ts";
import { stopper } from "./stop.ts";
import { watcher } from "./watch.ts";

const GRACE_MS = 10_000;
const LOG_BYTES_MAX = 10 * 1024 * 1024;
const ROTATE_INTERVAL_MS = 10_000;
/** Age of drafts that a kill has left; a start needs only a few ms. */
const DRAFT_AGE_MS_MAX = 60 * 60 * 1000;
const DIRECTORY_MODE = 0o700;
/** The variables of our own environment that a worker gets: enough to find programs and to print dates. */
const PASSED_ON = ["PATH", "HOME", "TZ", "LANG"] as const;

export type ProcessRuntimeOptions = {
  /** Created if absent, with mode 0700. */
  readonly stateDir: string;
  /** Program and arguments of every worker; no shell is involved. */
  readonly command: readonly string[];
  readonly hostname: string;
  /** Our own environment; PATH, HOME, TZ and LANG of it are passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly clock: Clock;
  readonly graceMs?: number;
  readonly logBytesMax?: number;
  readonly pid?: number;
  /** Set if an init reaps zombies, or a few of them do no harm. */
  readonly pid1Allowed?: boolean;
};

export function processRuntime(options: ProcessRuntimeOptions): Result<Runtime, RuntimeError> {
  if ((options.pid ?? process.pid) === 1 && options.pid1Allowed !== true) {
    const detail =
      "RUNTIME=process needs an init that reaps what workers leave behind, and this process is PID 1; run the container with --init, or use another RUNTIME";
    return fail("refused", "terminal", detail);
  }
  if (options.command.length === 0) {
    return fail("invalid-spec", "terminal", "WORKER_COMMAND is empty: it must name a program");
  }
  const opened = openContext(options);
  if (!opened.ok) return opened;
  const { context, stateDir } = opened.value;
  const rotate = rotator(context, options.logBytesMax ?? LOG_BYTES_MAX);
  return ok({
    runtime: "process",
    scope: `process:${options.hostname}:${stateDir}`,
    list: async () => {
      rotate();
      return await listWorkers(context);
    },
    watch: watcher(context, rotate),
    prepare: async () => await Promise.resolve(programError(context)),
    start: (spec, signal) => startWorker(context, spec, signal),
    stop: stopper(context),
  });
}

type Opened = { readonly context: ProcessContext; readonly stateDir: string };

function openContext(options: ProcessRuntimeOptions): Result<Opened, RuntimeError> {
  const made = makeDirectories(options.stateDir);
  if (!made.ok) return made;
  const stateDir = made.value;
  const lock = openLock(join(stateDir, "lock"));
  if (!lock.ok) return lock;
  const drafts = join(stateDir, "drafts");
  sweepDrafts(drafts, options.clock.nowMs());
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = options.environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const context: ProcessContext = {
    workers: join(stateDir, "workers"),
    logs: join(stateDir, "logs"),
    drafts,
    command: options.command,
    graceMs: options.graceMs ?? GRACE_MS,
    environment: Object.fromEntries(passedOn),
    bootId: readBootId(),
    lock: lock.value,
    log: options.log,
    clock: options.clock,
    children: new Map(),
    adopted: new Map(),
    terminated: new Map(),
    listeners: new Set(),
  };
  return ok({ context, stateDir });
}

/** The directory's absolute path, without links. */
function makeDirectories(stateDir: string): Result<string, RuntimeError> {
  try {
    for (const part of ["workers", "logs", "drafts"]) {
      mkdirSync(join(stateDir, part), { recursive: true, mode: DIRECTORY_MODE });
    }
    return ok(realpathSync(stateDir));
  } catch (cause) {
    return err(unavailable("making the state directory", stateDir, cause));
  }
}

function sweepDrafts(directory: string, nowMs: number): void {
  for (const file of readdirSync(directory)) {
    const path = join(directory, file);
    const mtimeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
    if (nowMs - mtimeMs > DRAFT_AGE_MS_MAX) unlinkSync(path);
  }
}

/** Checks the logs at most every 10 s, however often it is called. */
function rotator(context: ProcessContext, bytesMax: number): () => void {
  let nextAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (context.clock.monotonicMs() < nextAtMs) return;
    nextAtMs = context.clock.monotonicMs() + ROTATE_INTERVAL_MS;
    const onError = (path: string, cause: unknown) => {
      context.log.warn("a worker's log was not rotated", { path, reason: errnoOf(cause) });
    };
    const isHeld = (name: string) =>
      statSync(workerPath(context.workers, name), { throwIfNoEntry: false }) !== undefined;
    const { logs: directory, clock } = context;
    try {
      // Under the lock, so that only one of two control planes on this directory rotates.
      context.lock.attempt(() => rotateLogs({ directory, bytesMax, isHeld, clock, onError }));
    } catch (cause) {
      onError(directory, cause);
    }
  };
}
