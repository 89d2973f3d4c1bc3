/** Kafka, PostgreSQL and the compiled `sidecar ingest`; each scene has a topic and a database of its own. */
import * as v from "valibot";
import { openPostgres, type Postgres, type Sql } from "../../shared/postgres/postgres.ts";
import { binaries } from "../bed/binaries.ts";
import { until } from "../bed/condition.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { freePort } from "../bed/port.ts";
import { type PostgresBed, startPostgres } from "../bed/postgres/postgres.ts";
import { type BedProcess, startProcess } from "../bed/process.ts";
import { openReporter, type Reporter } from "../bed/reporter.ts";
import { makeTopic } from "./scenario.ts";

const CALL_MS = 10_000;
const READY_MS = 30_000;
const EQUAL_MS = 30_000;
const COMPACTED = { "cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime" };

export type Servers = {
  readonly kafka: KafkaBed;
  readonly postgres: PostgresBed;
  readonly stop: () => Promise<void>;
};

export async function startServers(): Promise<Servers> {
  const [kafka, postgres] = await Promise.all([startKafka(), startPostgres()]);
  return {
    kafka,
    postgres,
    stop: async () => void (await Promise.all([kafka.stop(), postgres.stop()])),
  };
}

export type Ingest = {
  readonly process: BedProcess;
  readonly url: string;
  readonly get: (
    path: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<{ status: number; body: unknown }>;
  readonly metric: (name: string) => Promise<number>;
  readonly ready: () => Promise<boolean>;
};

export type Scene = {
  readonly servers: Servers;
  readonly topic: string;
  readonly database: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly ingest: (more?: Readonly<Record<string, string>>) => Promise<Ingest>;
  readonly reporter: (clientId: string, partitions?: number) => Reporter;
  /** Rows of a query, as our own door gives them. */
  readonly rows: (query: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly use: <T>(work: (sql: Sql) => Promise<T>) => Promise<T>;
  /** Waits until the rows of this cluster are what the reporter holds, object by object. */
  readonly equals: (reporter: Reporter) => Promise<void>;
};

let scenes = 0;

export async function onScene(
  servers: Servers,
  play: (scene: Scene) => Promise<void>,
  { partitions = 3 }: { readonly partitions?: number } = {},
): Promise<void> {
  scenes += 1;
  const name = `info-${process.pid}-${scenes}`;
  const database = name.replaceAll("-", "_");
  const { kafka, postgres } = servers;
  await makeTopic(kafka, name, COMPACTED, partitions);
  const admin = door(postgres, "postgres");
  await asking(admin, (sql) => sql.script(`create database ${database}`));
  await admin.close();
  const db = door(postgres, database);
  const processes: BedProcess[] = [];
  const reporters: Reporter[] = [];
  const environment = {
    ...postgres.environment(database),
    ...{
      KAFKA_BROKERS: kafka.bootstrap,
      KAFKA_TOPIC: name,
      LOG_FORMAT: "json",
      LOG_LEVEL: "info",
    },
    ...{ KAFKA_GROUP: `store-${name}` },
  };
  const rows: Scene["rows"] = async (query) =>
    v.parse(Rows, await asking(db, (sql) => sql.script(query)));
  try {
    await play({
      ...{ servers, topic: name, database, environment, rows },
      use: (work) => asking(db, work),
      ingest: (more = {}) => startIngest({ ...environment, ...more }, processes),
      reporter: (clientId, count = partitions) => {
        const reporter = openReporter(kafka.bootstrap, {
          clientId,
          topic: name,
          partitions: count,
        });
        reporters.push(reporter);
        return reporter;
      },
      equals: (reporter) => untilEqual(rows, reporter),
    });
  } catch (error) {
    for (const each of processes)
      process.stderr.write(`--- ${each.name}\n${each.output().slice(-6000)}\n`);
    throw error;
  } finally {
    for (const each of processes) each.kill("SIGCONT");
    await Promise.all(processes.map((each) => each.stop()));
    await Promise.all(reporters.map((each) => each.close()));
    await db.close();
  }
}

const Rows = v.array(v.record(v.string(), v.unknown()));

const door = ({ host, port, user, password }: PostgresBed, database: string): Postgres =>
  openPostgres({
    settings: { host, port, user, password: () => password, database, sslMode: "disable" },
    applicationName: "test",
  });

async function asking<T>(db: Postgres, work: (sql: Sql) => Promise<T>): Promise<T> {
  const done = await db.query({ what: "ask as a test", deadlineMs: CALL_MS }, work);
  if (!done.ok) throw new Error(done.error.detail);
  return done.value;
}

async function startIngest(
  env: Readonly<Record<string, string>>,
  processes: BedProcess[],
): Promise<Ingest> {
  const { sidecar } = await binaries();
  const port = await freePort();
  const name = `ingest-${processes.length}`;
  const process = startProcess({
    ...{ name, command: [sidecar, "ingest"] },
    env: { CONSUMER_SERVER_PORT: String(port), CONSUMER_SERVER_HOST: "127.0.0.1", ...env },
  });
  processes.push(process);
  const url = `http://127.0.0.1:${port}`;
  const get: Ingest["get"] = async (path, headers = {}) => {
    const answer = await fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(CALL_MS) });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  };
  const ready = async () => (await get("/ready").catch(() => undefined))?.status === 200;
  await until(`${name} to be ready`, ready, { deadlineMs: READY_MS });
  return {
    ...{ process, url, get, ready },
    metric: async (wanted) => {
      const { body } = await get("/metrics");
      const line = String(body)
        .split("\n")
        .find((each) => each.startsWith(`${wanted} `));
      return Number(line?.slice(wanted.length + 1));
    },
  };
}

async function untilEqual(rows: Scene["rows"], reporter: Reporter): Promise<void> {
  await until(
    `the rows of ${reporter.clientId} to be the cluster's objects`,
    async () => {
      const found = await rows(
        `select kind, uid, data from cluster_info.objects where client_id = '${reporter.clientId}'`,
      );
      const truth = reporter.truth();
      if (found.length !== truth.size)
        throw new Error(`${found.length} rows, ${truth.size} objects`);
      for (const { kind, uid, data } of found) {
        const object = truth.get(`${String(kind)}/${String(uid)}`);
        const whole = {
          created_time: "2026-01-01T00:00:00Z",
          labels: {},
          annotations: {},
          ...object,
        };
        if (!Bun.deepEquals(data, whole)) throw new Error(`${String(uid)} differs`);
      }
      return true;
    },
    { deadlineMs: EQUAL_MS },
  );
}
