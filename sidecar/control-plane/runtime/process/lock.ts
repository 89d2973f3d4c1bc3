/**
 * One lock for the state directory, between processes. It is held during a whole start (from the name to
 * the pid) and during every removal. So its holder knows that no start is in flight, and that the file that
 * was read is the file that is removed. The kernel releases it when its holder dies.
 *
 * It is SQLite's file lock (https://sqlite.org/lockingv3.html), since Bun has no `flock`: an exclusive
 * transaction that never writes, on an empty file.
 */

import { Database } from "bun:sqlite";
import { systemClock } from "../../../../shared/clock.ts";
import { startDeadline } from "../../../../shared/deadline.ts";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { err, flatten, ok, type Result } from "../../../../shared/result.ts";
import { ALWAYS, retry } from "../../../../shared/retry.ts";
import type { RuntimeError } from "../runtime.ts";
import { fail, unavailable } from "./error.ts";

/** A holder needs a few ms; a holder that is paused (SIGSTOP) keeps it. */
const WAIT_MS_MAX = 2000;
const PACE = { baseMs: 5, maxMs: 5, certain: 1, clock: systemClock };

export type Lock = {
  /** Runs `act` while holding the lock, or returns `busy` at once. */
  readonly attempt: <T>(act: () => T) => Result<T, "busy" | RuntimeError>;
  /** The same, but waits up to 2 s. `act` has run if and only if a value is returned. */
  readonly hold: <T>(act: () => T, signal: AbortSignal) => Promise<Result<T, RuntimeError>>;
};

export function openLock(path: string): Result<Lock, RuntimeError> {
  try {
    const database = new Database(path, { create: true, readwrite: true });
    // Otherwise the lock would need a journal file, which fails on a full disk.
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
  const deadline = startDeadline({ deadlineMs: WAIT_MS_MAX, signal });
  const detail = `another control plane held ${path} for ${WAIT_MS_MAX} ms; is one stopped in the middle of a start?`;
  const busy = fail("unavailable", "transient", detail);
  const once = (): Result<Result<T, RuntimeError>, RuntimeError> => {
    const done = attempt();
    if (done.ok) return ok(done);
    return done.error === "busy" ? busy : ok(err(done.error));
  };
  const policy = { ...PACE, deadline, again: ALWAYS };
  return flatten(await retry(() => Promise.resolve(once()), policy));
}
