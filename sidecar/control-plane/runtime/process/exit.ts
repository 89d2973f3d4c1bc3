/** Changes to a name file at a worker's end: the exit of our own child, and the removal. */
import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";
import type { ProcessContext } from "./context.ts";
import { unavailable } from "./error.ts";
import { appendLine, type Exit, readWorkerFile, workerPath } from "./name-file.ts";

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;

/** The exit is also kept in memory: if it cannot be written, only our successor reports `unknown`. */
export async function recordExit(
  context: ProcessContext,
  name: string,
  token: string,
  exit: Exit,
): Promise<void> {
  const held = await context.lock.hold((): string | undefined => {
    if (!holdsName(context, name, token)) {
      context.children.delete(token);
      return undefined;
    }
    try {
      const fd = openSync(workerPath(context.workers, name), APPEND);
      try {
        appendLine(fd, { exit });
      } finally {
        closeSync(fd);
      }
      return undefined;
    } catch (cause) {
      return errnoOf(cause);
    }
  }, AbortSignal.timeout(LOCK_MS));
  const reason = held.ok ? held.value : held.error.detail;
  if (reason !== undefined)
    context.log.warn("a worker's exit was not written down", { name, reason });
}

/** Longer than the lock itself waits. */
const LOCK_MS = 10_000;

/** Removes the name file if it still belongs to that incarnation. */
export async function removeFile(
  context: ProcessContext,
  name: string,
  token: string,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const path = workerPath(context.workers, name);
  const held = await context.lock.hold((): Result<null, RuntimeError> => {
    if (!holdsName(context, name, token)) return ok(null);
    try {
      unlinkSync(path);
      return ok(null);
    } catch (cause) {
      return errnoOf(cause) === "ENOENT" ? ok(null) : err(unavailable("removing", path, cause));
    }
  }, signal);
  return held.ok ? held.value : held;
}

function holdsName(context: ProcessContext, name: string, token: string): boolean {
  const seen = readWorkerFile(context.workers, name);
  return seen.ok && seen.value.kind === "worker" && seen.value.file.header.token === token;
}
