/**
 * One lock for the state directory, between processes. It covers the whole of a start (from the name
 * to the pid) and every removal, so that who holds it knows: no start is in flight, and the file that
 * was read is the file that is removed. The kernel lets go of it when its holder dies.
 *
 * It is SQLite's file lock (https://sqlite.org/lockingv3.html), since Bun has no `flock`: an exclusive
 * transaction that never writes, on an empty file.
 */
import { Database } from "bun:sqlite";
import { sleep } from "../../../../shared/deadline.ts";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";
import { fail, unavailable } from "./error.ts";

/** A holder needs a few ms; one that was stopped (SIGSTOP) keeps it. */
const WAIT_MS_MAX = 2000;
const RETRY_MS = 5;

export type Lock = {
  /** Runs `act` while holding the lock, or answers `busy` at once. */
  readonly attempt: <T>(act: () => T) => Result<T, "busy" | RuntimeError>;
  /** The same, waiting up to 2 s. `act` has run exactly when a value is returned. */
  readonly hold: <T>(act: () => T, signal: AbortSignal) => Promise<Result<T, RuntimeError>>;
};

export function openLock(path: string): Result<Lock, RuntimeError> {
  try {
    const database = new Database(path, { create: true, readwrite: true });
    // Without it the lock would need a file for its journal, which a full disk refuses.
    database.run("PRAGMA journal_mode = MEMORY");
    const attempt = <T>(act: () => T) => locked(database, path, act);
    return ok({ attempt, hold: (act, signal) => hold(() => attempt(act), path, signal) });
  } catch (cause) {
    return err(unavailable("opening the lock", path, cause));
  }
}

function locked<T>(
  database: Database,
  path: string,
  act: () => T,
): Result<T, "busy" | RuntimeError> {
  try {
    database.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    return err(
      errnoOf(cause).startsWith("SQLITE_BUSY") ? "busy" : unavailable("locking", path, cause),
    );
  }
  try {
    return ok(act());
  } finally {
    database.run("ROLLBACK");
  }
}

async function hold<T>(
  attempt: () => Result<T, "busy" | RuntimeError>,
  path: string,
  signal: AbortSignal,
): Promise<Result<T, RuntimeError>> {
  const endsAt = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const done = attempt();
    if (done.ok) return done;
    if (done.error !== "busy") return err(done.error);
    if (signal.aborted || performance.now() > endsAt) {
      const detail = `another control plane held ${path} for ${WAIT_MS_MAX} ms; is one stopped in the middle of a start?`;
      return fail("unavailable", "transient", detail);
    }
    await sleep(RETRY_MS, signal);
  }
}
