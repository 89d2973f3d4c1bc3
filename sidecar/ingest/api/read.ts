/** A question to the database: read only, bounded, and in one statement, so that its parts are of one moment. */
import * as v from "valibot";
import type { PostgresError } from "../../../shared/postgres/error.ts";
import type { Postgres, Sql } from "../../../shared/postgres/postgres.ts";
import type { Result } from "../../../shared/result.ts";
import type { Visible } from "./access.ts";

const STATEMENT_MS = 5_000;
const CALL_MS = 8_000;
const LIMITS = `
  set transaction read only;
  set local statement_timeout = '${STATEMENT_MS}ms';
  set local timezone = 'UTC'`;

/** At most one row, of one column, whose text is JSON. */
const Answer = v.array(v.object({ answer: v.nullable(v.string()) }));

/** @returns what that JSON says; undefined for null, and without a row */
export function readJson(
  postgres: Postgres,
  what: string,
  work: (sql: Sql) => Promise<readonly unknown[]>,
): Promise<Result<unknown, PostgresError>> {
  return postgres.transaction({ what, deadlineMs: CALL_MS }, async (sql) => {
    await sql.script(LIMITS);
    const answer = v.parse(Answer, await work(sql))[0]?.answer ?? null;
    const value: unknown = answer === null ? undefined : JSON.parse(answer);
    return { keep: true, value };
  });
}

/** Two parameters of `(all or client_id = any (ids))`. */
export const visibleTo = (sql: Sql, visible: Visible) => ({
  all: String(visible === "all"),
  ids: sql.texts(visible === "all" ? [] : visible),
});
