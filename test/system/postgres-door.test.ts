/** The door to PostgreSQL on a real server: TLS as libpq means it, deadlines, restarts, migrations. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, numbered } from "../../shared/postgres/migrate.ts";
import { openPostgres, type Postgres } from "../../shared/postgres/postgres.ts";
import type { PostgresSettings } from "../../shared/postgres/settings.ts";
import { createAuthority } from "../bed/certificate.ts";
import { until } from "../bed/condition.ts";
import { type PostgresBed, startPostgres } from "../bed/postgres/postgres.ts";

const LIMIT_MS = 60_000;
const CALL = { what: "ask", deadlineMs: 5000 };

let bed: PostgresBed;
let strange: string;
const opened: Postgres[] = [];

beforeAll(async () => {
  bed = await startPostgres({ tls: true });
  const dir = join(tmpdir(), `strange-${process.pid}`);
  ({ caFile: strange } = await createAuthority(dir));
  await chmod(strange, 0o644);
}, LIMIT_MS);
afterAll(async () => {
  await Promise.all(opened.map((each) => each.close()));
  await bed.stop();
});

function door(more: Partial<PostgresSettings> = {}): Postgres {
  const { host, port, user, password } = bed;
  const settings = {
    ...{ host, port, user, password: () => password, database: "postgres" },
    ...{ sslMode: "disable" as const, ...more },
  };
  const one = openPostgres({ settings, applicationName: "test" });
  opened.push(one);
  return one;
}

/** Whether that connection is encrypted, or why there is none. */
async function connects(more: Partial<PostgresSettings>): Promise<string> {
  const asked = await door(more).query(
    CALL,
    (sql) => sql`select ssl::text from pg_stat_ssl where pid = pg_backend_pid()`,
  );
  return asked.ok ? JSON.stringify(asked.value[0]) : asked.error.code;
}

const TLS = '{"ssl":"true"}';
const PLAIN = '{"ssl":"false"}';

describe("sslmode", () => {
  test.each([
    ["disable", {}, PLAIN],
    ["allow", {}, TLS],
    ["prefer", {}, TLS],
    ["require", {}, TLS],
    ["verify-ca without its authority", { sslMode: "verify-ca" }, "tls"],
    ["verify-ca by its authority, under another name", { sslMode: "verify-ca", own: true }, TLS],
    ["verify-ca by a strange authority", { sslMode: "verify-ca", strange: true }, "tls"],
    [
      "require with a strange authority, which verifies, as in libpq",
      { sslMode: "require", strange: true },
      "tls",
    ],
    ["verify-full under another name", { sslMode: "verify-full", own: true }, "tls"],
    ["verify-full under its name", { sslMode: "verify-full", own: true, host: "localhost" }, TLS],
  ] as const)("%s", async (name, more, expected) => {
    const {
      own,
      strange: isStrange,
      host,
      sslMode,
    } = { own: false, strange: false, host: bed.host, sslMode: name, ...more };
    const caFile = own ? bed.authority.caFile : isStrange ? strange : undefined;
    const mode = (
      ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
    ).find((each) => each === sslMode);
    expect(await connects({ host, caFile, sslMode: mode ?? "disable" })).toBe(expected);
  });
});

test("says why it cannot get in, and never with the password", async () => {
  const refused = async (more: Partial<PostgresSettings>) => {
    const asked = await door(more).query(CALL, (sql) => sql`select 1`);
    return asked.ok ? undefined : asked.error;
  };
  const wrong = await refused({ password: () => "s3cr3t-wrong" });
  expect(wrong).toMatchObject({ code: "authentication", sqlState: "28P01" });
  expect(wrong?.detail).not.toContain("s3cr3t");
  expect(await refused({ database: "none" })).toMatchObject({ code: "missing", sqlState: "3D000" });
  expect(await refused({ port: 1 })).toMatchObject({ code: "unreachable", retry: "transient" });
  const none = await refused({ sslMode: "verify-ca", caFile: "/no/such/file" });
  expect(none?.detail).toContain("/no/such/file");
  expect(await connects({ host: bed.socketDir })).toBe(PLAIN);
});

test(
  "a call ends at its deadline when the server hangs; a transaction may be undone; a restart is survived",
  async () => {
    const db = door();
    const answers = async (deadlineMs: number) => {
      const asked = await db.query({ what: "ask", deadlineMs }, (sql) => sql`select 1 as one`);
      return asked.ok ? "ok" : asked.error.code;
    };
    expect(await answers(5000)).toBe("ok");
    await bed.signal("SIGSTOP");
    const beganMs = performance.now();
    expect(await answers(500)).toBe("timeout");
    expect(performance.now() - beganMs).toBeLessThan(3000);
    await bed.signal("SIGCONT");
    expect(await answers(5000)).toBe("ok");

    await db.query(CALL, (sql) => sql.script("create table t (n int); insert into t values (1)"));
    const undone = await db.transaction(CALL, async (sql) => {
      await sql`update t set n = 2`;
      return { keep: false, value: "undone" };
    });
    expect(undone).toEqual({ ok: true, value: "undone" });
    const kept = await db.transaction(CALL, async (sql) => ({
      keep: true,
      value: await sql`select n from t`,
    }));
    expect(kept.ok ? kept.value[0] : kept.error).toEqual({ n: 1 });

    await bed.kill();
    expect(await answers(5000)).toBe("unreachable");
    await bed.start();
    await until("it to answer", async () => (await answers(5000)) === "ok", { deadlineMs: 20_000 });
  },
  LIMIT_MS,
);

test("migrations: several programs at once, one that fails, one that was changed, a newer database", async () => {
  const { signal } = new AbortController();
  const texts = [
    { name: "one", text: "create table a (n int); select pg_sleep(0.3)" },
    { name: "two", text: "insert into a values (1)" },
  ];
  const run = (migrations: ReturnType<typeof numbered>) =>
    migrate({ postgres: door(), schema: "tried", migrations, signal });
  const all = await Promise.all([1, 2, 3, 4].map(() => run(numbered(texts))));
  const applied = all.map((each) => (each.ok ? each.value.length : each.error.detail));
  expect(applied.toSorted()).toEqual([0, 0, 0, 2]);
  const broken = await run(
    numbered([...texts, { name: "three", text: "create table b (n int); nonsense" }]),
  );
  expect(broken.ok ? "" : broken.error.sqlState).toBe("42601");
  const left = await door().query(CALL, (sql) => sql`select to_regclass('tried.b')::text as b`);
  expect(left.ok && left.value[0]).toEqual({ b: null });
  const changed = await run(numbered([{ name: "one", text: "create table a (n bigint)" }]));
  expect(changed.ok ? "" : changed.error.detail).toContain("was changed after it was applied");
  const older = await run(numbered(texts.slice(0, 1)));
  expect(older.ok ? "" : older.error.detail).toContain("a newer version has been here");
});
