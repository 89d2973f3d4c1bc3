/**
 * `bun run bench ingest`: records of cluster-info into a real PostgreSQL, which it starts itself, on the same cores.
 *
 *  - records a second, from Kafka's bytes to the commit: objects that are new, that changed (each gives a version to
 *    the history), and that a full pass repeats;
 *  - beside it, in the same run, the original's way: one statement and one transaction a row, of values that were
 *    decoded before.
 */
import { randomUUID } from "node:crypto";
import type { KafkaRecord } from "../shared/kafka/batch/record.ts";
import { openPostgres, type Postgres } from "../shared/postgres/postgres.ts";
import { isClientId } from "../shared/protocol/client-id.ts";
import { encodeObject } from "../shared/protocol/cluster-info.ts";
import { objectHash } from "../shared/protocol/object-hash.ts";
import { decodeRecords } from "../sidecar/ingest/decode/records.ts";
import { openCursor } from "../sidecar/ingest/store/cursor.ts";
import { openDatabaseHealth, openSchema } from "../sidecar/ingest/store/open.ts";
import { applySlice } from "../sidecar/ingest/store/transaction.ts";
import { startPostgres } from "../test/bed/postgres/postgres.ts";
import { figure } from "./figure.ts";

const OBJECTS = 50_000;
const SLICE = 2000;
const ROW_BY_ROW = 2000;
const BAR = 20_000;
const LIFE = "00000000000000aa";
/** As many as the topic has by default, each stored beside the others, as by three members of the group. */
const PARTITIONS = 3;
const at = (partition: number) => ({ topic: "cluster-info", topicId: "bench", partition });
const CALL = { what: "bench", deadlineMs: 60_000 };

const log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };

const uids = Array.from({ length: OBJECTS }, () => randomUUID());
const clientOf = (partition: number): string => `bench-${partition}`;

/** As a pod comes: about 1.2 kB. */
const podOf = (index: number, phase: string) => ({
  ...{
    name: `web-7d4b9c-${index}`,
    namespace: `team-${index % 40}`,
    created_time: "2026-01-01T00:00:00Z",
  },
  ...{
    deployment_name: `web-${index % 500}`,
    phase,
    node_name: `node-${index % 100}`,
    pod_ip: "10.1.2.3",
  },
  ...{ host_ip: "192.168.1.2", restart_count: 0, cpu_request: "100m", cpu_limit: "500m" },
  ...{ memory_request: "128Mi", memory_limit: "512Mi", storage_request: "" },
  labels: { app: `web-${index % 500}`, "pod-template-hash": "7d4b9c", team: `team-${index % 40}` },
  annotations: {},
  container_statuses: [1, 2].map((n) => ({
    ...{ name: `c${n}`, ready: true, restart_count: 0, state: "running" },
    image: `registry.example/team/web:${index % 7}.1.0-a-longer-tag`,
  })),
});

function recordsOf(partition: number, pass: number, phase: string): readonly KafkaRecord[] {
  const clientId = clientOf(partition);
  if (!isClientId(clientId)) throw new Error(clientId);
  const source = { life: LIFE, pass: `${LIFE}.${pass}`, projection: "1" };
  const own = uids.filter((_uid, index) => index % PARTITIONS === partition);
  return own.map((uid, index) => {
    const object = podOf(index, phase);
    const { name, namespace } = object;
    const record = {
      ...{
        client_id: clientId,
        kind: "pods",
        uid,
        name,
        namespace,
        resource_version: String(index),
      },
      ...{ observed_at: new Date().toISOString(), hash: objectHash(object) ?? "", object },
    };
    const { key, value, headers } = encodeObject(record, source);
    return {
      ...{ offset: index, timestampMs: Date.now(), timestampType: "append" },
      ...{ key: Buffer.from(key), value: Buffer.from(value ?? ""), headers: () => headers },
    };
  });
}

async function storePartition(partition: number, records: readonly KafkaRecord[]): Promise<void> {
  const began = await postgres.query(CALL, (sql) => openCursor(sql, at(partition)));
  if (!began.ok) throw new Error(began.error.detail);
  const first = began.value.nextOffset;
  for (let from = 0; from < records.length; from += SLICE) {
    const bounds = { notBeforeMs: 0, nowMs: Date.now() };
    const items = decodeRecords(records.slice(from, from + SLICE), [], bounds);
    const position = first + from;
    const slice = { at: at(partition), position, nextOffset: position + items.length, items };
    const done = await applySlice({ postgres, nowMs: Date.now }, slice);
    if (!done.ok) throw new Error(done.error.detail);
    if (done.value === "moved") throw new Error("the cursor is elsewhere");
  }
}

async function store(pass: number, phase: string): Promise<number> {
  const all = Array.from({ length: PARTITIONS }, (_, each) => recordsOf(each, pass, phase));
  const beganMs = performance.now();
  await Promise.all(all.map((records, partition) => storePartition(partition, records)));
  return (OBJECTS * 1000) / (performance.now() - beganMs);
}

/** As the original's consumer writes: each row by itself. */
async function rowByRow(postgres: Postgres, records: readonly KafkaRecord[]): Promise<number> {
  const objects = records.slice(0, ROW_BY_ROW).map(({ value }) => String(value));
  await postgres.query(CALL, (sql) =>
    sql.script("create table plain (uid text, name text, data jsonb)"),
  );
  const beganMs = performance.now();
  for (const [index, data] of objects.entries()) {
    const uid = uids[index] ?? "";
    const done = await postgres.transaction(CALL, async (sql) => {
      await sql`insert into plain values (${uid}, ${`pod-${index}`}, ${data}::text::jsonb)`;
      return { keep: true, value: null };
    });
    if (!done.ok) throw new Error(done.error.detail);
  }
  return (objects.length * 1000) / (performance.now() - beganMs);
}

// As a database in use: what is committed is on the disk.
const bed = await startPostgres({
  settings: { fsync: "on", shared_buffers: "256MB", max_wal_size: "'2GB'" },
});
const { host, port, user, password } = bed;
const postgres = openPostgres({
  settings: {
    host,
    port,
    user,
    password: () => password,
    database: "postgres",
    sslMode: "disable",
  },
  applicationName: "bench",
});
const { signal } = new AbortController();
const opened = await openSchema({
  postgres,
  health: openDatabaseHealth(log),
  log,
  random: Math.random,
  signal,
});
if (!opened.ok) throw new Error(opened.error.detail);

const show = (name: string, value: number, atLeast?: number) =>
  figure({
    ...{ bench: "ingest", figure: name, value, unit: "records/s" },
    ...(atLeast === undefined ? {} : { bar: { atLeast } }),
  });
show("row by row, as the original", await rowByRow(postgres, recordsOf(0, 1, "Running")));
show("new objects", await store(1, "Running"), BAR);
show("changed objects, with their history", await store(1, "Failed"));
show("a full pass over unchanged objects", await store(2, "Failed"));
const rows = await postgres.query(
  CALL,
  (sql) => sql`select count(*)::int as n from cluster_info.objects`,
);
if (!rows.ok || JSON.stringify(rows.value[0]) !== `{"n":${OBJECTS}}`)
  throw new Error("rows are missing");
await postgres.close();
await bed.stop();
process.exit(0);
