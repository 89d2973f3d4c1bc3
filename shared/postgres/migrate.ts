/**
 * Applies migrations, each in a transaction of its own, under an advisory lock that one program holds at a time.
 *
 * The lock is tried again and again, never waited for in the server: with `create index concurrently`, a session
 * that waits in pg_advisory_lock is one that the index waits for, and PostgreSQL calls it a deadlock.
 */
import * as v from "valibot";
import { sleep } from "../clock.ts";
import { err, ok, type Result } from "../result.ts";
import type { PostgresError } from "./error.ts";
import { type Migration, pendingMigrations } from "./migration.ts";
import type { Postgres, Sql } from "./postgres.ts";

/** One lock for all versions of this program in a database: "outrider" as a number. */
const LOCK = 8_031_735_629;
const LOCK_TRY_MS = 200;
const MIGRATE_MS = 10 * 60_000;

const LockRow = v.tuple([v.object({ held: v.boolean() })]);
const AppliedRows = v.array(
  v.object({ number: v.number(), name: v.string(), checksum: v.string() }),
);

export type MigrateOptions = {
  readonly postgres: Postgres;
  /** Is made when it is not there. The name is ours, not a user's. */
  readonly schema: string;
  readonly migrations: readonly Migration[];
  readonly signal: AbortSignal;
};

/** Numbers and digests texts that lie in the order in which they are to be applied. */
export const numbered = (
  texts: readonly { readonly name: string; readonly text: string }[],
): readonly Migration[] =>
  texts.map(({ name, text }, index) => ({
    ...{ number: index + 1, name, text },
    checksum: new Bun.CryptoHasher("sha256").update(text).digest("hex"),
  }));

/** @returns the names of what was applied now; a refusal is terminal */
export async function migrate(
  options: MigrateOptions,
): Promise<Result<readonly string[], PostgresError>> {
  const call = { what: `migrate schema ${options.schema}`, deadlineMs: MIGRATE_MS };
  const done = await options.postgres.session(call, (sql) => locked(sql, options));
  if (!done.ok) return done;
  if (done.value.ok) return done.value;
  return err({ code: "refused", retry: "terminal", detail: done.value.error });
}

type Outcome = Result<readonly string[], string>;

async function locked(sql: Sql, options: MigrateOptions): Promise<Outcome> {
  for (;;) {
    const [{ held }] = v.parse(LockRow, await sql`select pg_try_advisory_lock(${LOCK}) as held`);
    if (held) return await applyAll(sql, options);
    if (options.signal.aborted) return ok([]);
    await sleep(LOCK_TRY_MS, options.signal);
  }
}

async function applyAll(sql: Sql, { schema, migrations }: MigrateOptions): Promise<Outcome> {
  await sql.script(
    `create schema if not exists ${schema};
     create table if not exists ${schema}.migrations (
       number int primary key, name text not null, checksum text not null,
       applied_at timestamptz not null default now()
     )`,
  );
  const rows = await sql.script(
    `select number, name, checksum from ${schema}.migrations order by number`,
  );
  const pending = pendingMigrations(migrations, v.parse(AppliedRows, rows));
  if (!pending.ok) return pending;
  for (const migration of pending.value) await applyOne(sql, schema, migration);
  return ok(pending.value.map(({ name }) => name));
}

/** One script is one transaction; what fails in it leaves nothing behind. */
async function applyOne(sql: Sql, schema: string, migration: Migration): Promise<void> {
  const { number, name, checksum, text } = migration;
  await sql.script(
    `begin; set local search_path to ${schema}; ${text};
     insert into ${schema}.migrations (number, name, checksum) values (${number}, '${name}', '${checksum}');
     commit`,
  );
}
