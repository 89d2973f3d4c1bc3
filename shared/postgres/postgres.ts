/**
 * The door to PostgreSQL: Bun's own SQL client. Outside of this folder nobody sees its types or its errors.
 *
 * Bun's client has no deadline of its own: a server that hangs keeps a query for ever. So each call here has one, and
 * when it is over the whole pool is closed at once and a new one takes its place. Whoever else was using that pool
 * gets a transient error. Long work therefore has a pool of its own.
 */
import { readFileSync } from "node:fs";
import { SQL } from "bun";
import { withDeadline } from "../deadline.ts";
import { err, ok, type Result } from "../result.ts";
import { type PostgresError, postgresErrorOf } from "./error.ts";
import type { PostgresSettings } from "./settings.ts";

const CONNECT_SECONDS = 5;
const POOL_MAX = 4;

/** Rows as they come: bigint and numeric are texts, jsonb is parsed. The caller parses them by a schema. */
type Rows = readonly unknown[];

export type Sql = {
  /** A query with parameters: sql`select … where id = ${id}`. */
  (strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<Rows>;
  /** A text without parameters, also several statements: for what we wrote ourselves. */
  readonly script: (text: string) => Promise<Rows>;
  /** A parameter `$n::text[]`. */
  readonly texts: (values: readonly (string | null)[]) => unknown;
};

export type DatabaseCall = { readonly what: string; readonly deadlineMs: number };
type Work<T> = (sql: Sql) => Promise<T>;
/** What a transaction ends with: what it did is kept, or undone. */
type Kept<T> = { readonly keep: boolean; readonly value: T };
type Answer<T> = Promise<Result<T, PostgresError>>;

export type Postgres = {
  /** Each statement by itself, on any connection. */
  readonly query: <T>(call: DatabaseCall, work: Work<T>) => Answer<T>;
  /** One transaction. An error may come although it was committed: when the answer to COMMIT was lost. */
  readonly transaction: <T>(call: DatabaseCall, work: Work<Kept<T>>) => Answer<T>;
  /** One connection for all statements, each by itself: for what belongs to a session, such as an advisory lock. */
  readonly session: <T>(call: DatabaseCall, work: Work<T>) => Answer<T>;
  readonly close: () => Promise<void>;
};

export type PostgresOptions = {
  readonly settings: PostgresSettings;
  /** As pg_stat_activity shows it. */
  readonly applicationName: string;
  readonly connectionsMax?: number;
};

export function openPostgres(options: PostgresOptions): Postgres {
  let pool: SQL | undefined;
  /** Opened when first used: that a file of ours cannot be read is an error of that call. */
  const current = (): SQL => {
    pool ??= connect(options);
    return pool;
  };
  const drop = (used: SQL | undefined) => {
    if (used === undefined) return;
    if (pool === used) pool = undefined;
    // Not waited for: a server that hangs answers nothing.
    used.close({ timeout: 0 }).catch(() => undefined);
  };

  const run = async <T>(call: DatabaseCall, work: (pool: SQL) => Promise<T>): Answer<T> => {
    let used: SQL | undefined;
    try {
      used = current();
      return ok(await withDeadline(work(used), call.deadlineMs, call.what));
    } catch (cause) {
      const error = postgresErrorOf(cause, call.what);
      // A defect of ours, no answer of anybody.
      if (error === undefined) throw cause;
      if (error.code === "timeout" && error.sqlState === undefined) drop(used);
      return err(error);
    }
  };

  return {
    query: (call, work) => run(call, (used) => work(narrow(used))),
    transaction: async (call, work) => {
      const done = await run(call, (used) => begin(used, work));
      return done.ok ? ok(done.value.value) : done;
    },
    session: (call, work) =>
      run(call, async (used) => {
        const reserved = await used.reserve();
        try {
          return await work(narrow(reserved));
        } finally {
          // Closed, not released: whatever the session holds, such as a lock, ends with it.
          await reserved.close({ timeout: 0 });
        }
      }),
    close: async () => {
      const last = pool;
      pool = undefined;
      await last?.close({ timeout: 0 });
    },
  };
}

/** Wrapped, for Bun resolves the promises of an array that the callback returns. */
async function begin<T>(pool: SQL, work: Work<Kept<T>>): Promise<{ readonly value: T }> {
  let undone: { readonly value: T } | undefined;
  try {
    return await pool.begin(async (sql) => {
      const { keep, value } = await work(narrow(sql));
      if (keep) return { value };
      undone = { value };
      throw new Error("rolled back by us");
    });
  } catch (cause) {
    if (undone === undefined) throw cause;
    return undone;
  }
}

function narrow(sql: SQL): Sql {
  const query = async (strings: TemplateStringsArray, ...values: readonly unknown[]) =>
    await sql<Rows>(strings, ...values);
  return Object.assign(query, {
    script: async (text: string) => await sql.unsafe<Rows>(text),
    texts: (values: readonly (string | null)[]) => sql.array([...values], "TEXT"),
  });
}

function connect({ settings, applicationName, connectionsMax }: PostgresOptions): SQL {
  const { host, port, user: username, database, sslMode } = settings;
  const isSocket = host.startsWith("/");
  const tls = isSocket || sslMode === "disable" ? undefined : tlsOptions(settings);
  // The mode stands in the URL: an option object alone could not ask for verify-ca with an authority of our own.
  const url = new URL("postgres://server/");
  url.searchParams.set("sslmode", isSocket ? "disable" : effectiveMode(settings));
  return new SQL(url, {
    ...{ adapter: "postgres", port, username, database, password: settings.password },
    ...(isSocket ? { path: host } : { hostname: host }),
    ...(tls === undefined ? {} : { tls }),
    max: connectionsMax ?? POOL_MAX,
    connectionTimeout: CONNECT_SECONDS,
    // Behind a pooler that gives a connection to others between transactions, a named statement is somebody else's.
    prepare: false,
    // Nothing else: a pooler refuses parameters that it does not know.
    connection: { application_name: applicationName },
  });
}

/** As libpq has it: with an authority's file, `require` verifies by it. */
function effectiveMode({ sslMode, caFile }: PostgresSettings): string {
  return sslMode === "require" && caFile !== undefined ? "verify-ca" : sslMode;
}

function tlsOptions(settings: PostgresSettings) {
  const { caFile, certFile, keyFile } = settings;
  const verifies = effectiveMode(settings).startsWith("verify-");
  const file = (name: "ca" | "cert" | "key", path: string | undefined) =>
    path === undefined ? {} : { [name]: readFileSync(path, "utf8") };
  const options = {
    ...(verifies ? { ...file("ca", caFile), rejectUnauthorized: true } : {}),
    ...file("cert", certFile),
    ...file("key", keyFile),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}
