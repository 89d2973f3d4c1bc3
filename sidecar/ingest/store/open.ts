/** The database, made ready, and kept so: migrations at the start, and again where the tables are gone. */
import { backoffMs } from "../../../shared/backoff.ts";
import { sleep } from "../../../shared/clock.ts";
import type { Log } from "../../../shared/log.ts";
import type { PostgresError } from "../../../shared/postgres/error.ts";
import { migrate } from "../../../shared/postgres/migrate.ts";
import type { Postgres } from "../../../shared/postgres/postgres.ts";
import { ok, type Result } from "../../../shared/result.ts";
import { MIGRATIONS, SCHEMA } from "./migrations.ts";

const AGAIN = { baseMs: 200, maxMs: 5000 } as const;
/** A server that is slow is not away. */
const PING_MS = 10_000;
const PING_EVERY_MS = 2000;

/** What is said of the database until the next answer. */
export type DatabaseHealth = {
  readonly note: (error: PostgresError | undefined) => void;
  /** Undefined: the last call succeeded. */
  readonly error: () => PostgresError | undefined;
};

/** One line when it fails, another one when it is back. */
export function openDatabaseHealth(log: Log): DatabaseHealth {
  let last: PostgresError | undefined;
  return {
    note: (error) => {
      if (error !== undefined && last?.code !== error.code) {
        log.warn("the database does not take what we have; waiting", { error: error.detail });
      }
      if (error === undefined && last !== undefined) log.info("the database is back");
      last = error;
    },
    error: () => last,
  };
}

export type SchemaDeps = {
  readonly postgres: Postgres;
  readonly health: DatabaseHealth;
  readonly log: Log;
  readonly random: () => number;
  readonly signal: AbortSignal;
};

/**
 * Waits for the database as long as it takes.
 * @returns an error that waiting does not heal: this program and this database do not fit
 */
export async function openSchema(deps: SchemaDeps): Promise<Result<null, PostgresError>> {
  const { postgres, health, log, signal } = deps;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const done = await migrate({ postgres, schema: SCHEMA, migrations: MIGRATIONS, signal });
    health.note(done.ok ? undefined : done.error);
    if (done.ok) {
      if (done.value.length > 0) log.info("migrated the database", { migrations: done.value });
      return ok(null);
    }
    if (done.error.code === "refused" && done.error.sqlState === undefined) return done;
    await sleep(backoffMs(attempt, AGAIN, deps.random()), signal);
  }
  return ok(null);
}

/**
 * Where nothing is to be stored, nobody else would notice that the database is away. Until the signal.
 * @param deps its pool serves nobody else: a question that takes too long ends all that goes on there
 */
export async function watchDatabase(
  deps: Pick<SchemaDeps, "postgres" | "health" | "signal">,
): Promise<void> {
  const { postgres, health, signal } = deps;
  const call = { what: "ask whether the database answers", deadlineMs: PING_MS };
  while (!signal.aborted) {
    const asked = await postgres.query(call, (sql) => sql`select 1`);
    health.note(asked.ok ? undefined : asked.error);
    await sleep(PING_EVERY_MS, signal);
  }
}
