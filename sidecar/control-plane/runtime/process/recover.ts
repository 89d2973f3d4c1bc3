/**
 * Handles a name file without a pid: its control plane died between writing the file and writing the pid,
 * or is doing that right now. Under the lock it must have died: then the worker is the process that has the
 * token. If there is none, the start never happened, and the file is removed.
 */
import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";
import { logPath, type ProcessContext } from "./context.ts";
import {
  appendLine,
  type ProcessId,
  readWorkerFile,
  type WorkerFile,
  workerPath,
} from "./name-file.ts";
import { findTraces, findWriter, type Trace } from "./proc-table.ts";

export type Resolved =
  | { readonly kind: "process"; readonly file: WorkerFile; readonly process: ProcessId }
  /** A start is in flight, or may be. */
  | { readonly kind: "starting"; readonly file: WorkerFile }
  /** The name is taken by something that its file does not describe. */
  | { readonly kind: "held" }
  /** Gone, or no longer without a pid: look again. */
  | { readonly kind: "free" };

/** For listing: does not wait for the lock. Files whose start may be in flight are `starting`. */
export function resolveWhenFree(
  context: ProcessContext,
  files: readonly WorkerFile[],
): Result<ReadonlyMap<string, Resolved>, RuntimeError> {
  if (files.length === 0) return ok(new Map());
  const names = files.map((file) => file.header.name);
  const resolved = context.lock.attempt(() => resolveLocked(context, names));
  if (resolved.ok) return resolved;
  if (resolved.error !== "busy") return err(resolved.error);
  const starting = (file: WorkerFile): Resolved => ({ kind: "starting", file });
  return ok(new Map(files.map((file) => [file.header.name, starting(file)])));
}

/** Call it while holding the lock. */
export function resolveLocked(
  context: ProcessContext,
  names: readonly string[],
): ReadonlyMap<string, Resolved> {
  const open = new Map<string, WorkerFile>();
  const resolved = new Map<string, Resolved>();
  for (const name of names) {
    const seen = readWorkerFile(context.workers, name);
    if (seen.ok && seen.value.kind === "debris") {
      resolved.set(name, clearDebris(context, name));
      continue;
    }
    const file = seen.ok && seen.value.kind === "worker" ? seen.value.file : undefined;
    if (file !== undefined && file.process === undefined) open.set(name, file);
    else resolved.set(name, known(file));
  }
  if (open.size === 0) return resolved;
  const sought = [...open].map(([name, { header }]) => ({
    token: header.token,
    log: logPath(context, name),
  }));
  const traces = findTraces(sought);
  for (const [name, file] of open) {
    resolved.set(name, conclude(context, file, traces.get(file.header.token)));
  }
  return resolved;
}

/** An empty file does not say what has the name: it is free only if no process writes to that worker's log. */
function clearDebris(context: ProcessContext, name: string): Resolved {
  const path = workerPath(context.workers, name);
  const pid = findWriter(logPath(context, name));
  if (pid !== undefined) {
    context.log.warn("a worker's file is empty, and a process writes to its log: stop that first", {
      path,
      pid,
    });
    return { kind: "held" };
  }
  context.log.warn("an empty file of a worker is removed: a full disk or a power cut left it", {
    path,
  });
  return remove(path) ? { kind: "free" } : { kind: "held" };
}

const known = (file: WorkerFile | undefined): Resolved =>
  file?.process === undefined ? { kind: "free" } : { kind: "process", file, process: file.process };

function conclude(context: ProcessContext, file: WorkerFile, trace: Trace | undefined): Resolved {
  const { name, clientId } = file.header;
  const path = workerPath(context.workers, name);
  switch (trace?.kind) {
    case undefined:
      context.log.warn("a start that never happened is forgotten", { client_id: clientId, path });
      return remove(path) ? { kind: "free" } : { kind: "starting", file };
    case "unclear":
      context.log.warn("a process writes to the worker's log and does not say what it is", {
        client_id: clientId,
        pid: trace.pid,
      });
      return { kind: "starting", file };
    case "process": {
      const { pid, startTicks } = trace;
      const process: ProcessId = { pid, startTicks, bootId: context.bootId };
      context.log.info("a worker whose start was cut off is adopted", { client_id: clientId, pid });
      record(path, process);
      return { kind: "process", file: { ...file, process }, process };
    }
  }
}

function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

/** If it cannot be written (a full disk), the next listing finds the process again. */
function record(path: string, process: ProcessId): void {
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    try {
      appendLine(fd, process);
    } finally {
      closeSync(fd);
    }
  } catch {
    // As above.
  }
}
