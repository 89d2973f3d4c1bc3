/**
 * RowChanges of objects, written: each of these is one statement for any number of rows.
 *
 * Invariant: rows are locked and written in the order of their keys. Two transactions meet on the same rows when a
 * topic's partitions change; in any other order they would wait for each other.
 */
import * as v from "valibot";
import type { Sql } from "../../../shared/postgres/postgres.ts";
import { setEntry } from "../../../shared/protocol/object-hash.ts";
import {
  changesOf,
  type ExistingRow,
  type RowChanges,
  type RowKey,
  rowKeyText,
} from "../plan/changes.ts";
import type { Version } from "../plan/steps.ts";

const Existing = v.array(
  v.object({
    client_id: v.string(),
    kind: v.string(),
    uid: v.string(),
    hash: v.string(),
    projection: v.string(),
    valid_from_ms: v.string(),
  }),
);

/** What rows changed, by number. */
export type RowCounts = { readonly upserted: number; readonly ended: number };

export async function writeVersions(
  sql: Sql,
  versions: readonly Version[],
  partition: number,
): Promise<RowCounts> {
  const changes = changesOf(versions, await lockExisting(sql, versions));
  if (changes.closings.length > 0) await closeRows(sql, changes.closings);
  if (changes.history.length > 0) await insertHistory(sql, changes.history, partition);
  if (changes.removals.length > 0) await removeRows(sql, changes.removals);
  if (changes.upserts.length > 0) await upsertRows(sql, changes.upserts, partition);
  if (changes.passes.length > 0) await upsertPasses(sql, changes.passes);
  return {
    upserted: changes.upserts.length,
    ended: changes.closings.length + changes.history.length,
  };
}

/** The parameters of `unnest`, one array a column. */
const keyColumns = (sql: Sql, keys: readonly RowKey[]) => ({
  clientIds: sql.texts(keys.map(({ clientId }) => clientId)),
  kinds: sql.texts(keys.map(({ kind }) => kind)),
  uids: sql.texts(keys.map(({ uid }) => uid)),
});

/** Each key's text is made once: a sort compares each many times. */
function sortedByKey<T>(list: readonly T[], keyOf: (item: T) => RowKey): readonly T[] {
  const keyed = list.map((item) => ({ text: rowKeyText(keyOf(item)), item }));
  keyed.sort((one, other) => (one.text < other.text ? -1 : 1));
  return keyed.map(({ item }) => item);
}
const itself = (key: RowKey): RowKey => key;

async function lockExisting(
  sql: Sql,
  versions: readonly Version[],
): Promise<ReadonlyMap<string, ExistingRow>> {
  const keys = [...new Map(versions.map((each) => [rowKeyText(each), each])).values()];
  const { clientIds, kinds, uids } = keyColumns(sql, sortedByKey(keys, itself));
  const rows = await sql`
    select o.client_id, o.kind, o.uid, o.hash, o.projection,
      (extract(epoch from o.valid_from) * 1000)::bigint::text as valid_from_ms
    from unnest(${clientIds}::text[], ${kinds}::text[], ${uids}::text[]) as k (client_id, kind, uid)
    join cluster_info.objects o using (client_id, kind, uid)
    order by o.client_id, o.kind, o.uid
    for update of o`;
  return new Map(
    v
      .parse(Existing, rows)
      .map((row) => [
        `${row.client_id}/${row.kind}/${row.uid}`,
        { hash: row.hash, projection: row.projection, validFromMs: Number(row.valid_from_ms) },
      ]),
  );
}

async function closeRows(sql: Sql, closings: RowChanges["closings"]): Promise<void> {
  const { clientIds, kinds, uids } = keyColumns(sql, closings);
  const ends = sql.texts(closings.map(({ validToMs }) => String(validToMs)));
  const endings = sql.texts(closings.map(({ ending }) => ending));
  await sql`
    insert into cluster_info.object_history (client_id, kind, uid, namespace, name, resource_version, hash,
      projection, stub, observed_at, valid_from, valid_to, ending, kafka_partition, kafka_offset, data)
    select o.client_id, o.kind, o.uid, o.namespace, o.name, o.resource_version, o.hash,
      o.projection, o.stub, o.observed_at, o.valid_from, to_timestamp(c.valid_to::bigint / 1000.0), c.ending,
      o.kafka_partition, o.kafka_offset, o.data
    from unnest(${clientIds}::text[], ${kinds}::text[], ${uids}::text[], ${ends}::text[], ${endings}::text[])
      as c (client_id, kind, uid, valid_to, ending)
    join cluster_info.objects o using (client_id, kind, uid)`;
}

type ObjectVersion = RowChanges["upserts"][number]["version"];

const objectColumns = (sql: Sql, versions: readonly ObjectVersion[]) => {
  const column = (of: (version: ObjectVersion) => string | null) => sql.texts(versions.map(of));
  return {
    ...keyColumns(sql, versions),
    namespaces: column(({ record }) => record.namespace ?? null),
    names: column(({ record }) => record.name),
    resourceVersions: column(({ record }) => record.resource_version),
    hashes: column(({ record }) => record.hash),
    projections: column(({ source }) => source.projection),
    stubs: column(({ record }) => record.stub ?? null),
    observed: column(({ record }) => record.observed_at),
    offsets: column(({ offset }) => String(offset)),
    data: column(({ record }) => JSON.stringify(record.object)),
  };
};

async function insertHistory(
  sql: Sql,
  history: RowChanges["history"],
  partition: number,
): Promise<void> {
  const c = objectColumns(
    sql,
    history.map(({ version }) => version),
  );
  const starts = sql.texts(history.map(({ validFromMs }) => String(validFromMs)));
  const ends = sql.texts(history.map(({ validToMs }) => String(validToMs)));
  const endings = sql.texts(history.map(({ ending }) => ending));
  await sql`
    insert into cluster_info.object_history (client_id, kind, uid, namespace, name, resource_version, hash,
      projection, stub, observed_at, valid_from, valid_to, ending, kafka_partition, kafka_offset, data)
    select client_id, kind, uid, namespace, name, resource_version, hash, projection, stub, observed_at,
      to_timestamp(valid_from::bigint / 1000.0), to_timestamp(valid_to::bigint / 1000.0), ending,
      ${partition}::int, kafka_offset::bigint, data::jsonb
    from unnest(${c.clientIds}::text[], ${c.kinds}::text[], ${c.uids}::text[], ${c.namespaces}::text[],
      ${c.names}::text[], ${c.resourceVersions}::text[], ${c.hashes}::text[], ${c.projections}::text[],
      ${c.stubs}::text[], ${c.observed}::text[], ${starts}::text[], ${ends}::text[], ${endings}::text[],
      ${c.offsets}::text[], ${c.data}::text[])
      as r (client_id, kind, uid, namespace, name, resource_version, hash, projection, stub, observed_at,
        valid_from, valid_to, ending, kafka_offset, data)`;
}

async function removeRows(sql: Sql, keys: readonly RowKey[]): Promise<void> {
  const { clientIds, kinds, uids } = keyColumns(sql, sortedByKey(keys, itself));
  await sql`
    with gone as (
      delete from cluster_info.objects o
      using unnest(${clientIds}::text[], ${kinds}::text[], ${uids}::text[]) as k (client_id, kind, uid)
      where o.client_id = k.client_id and o.kind = k.kind and o.uid = k.uid
      returning o.client_id, o.kind, o.uid)
    delete from cluster_info.object_pass p using gone
    where p.client_id = gone.client_id and p.kind = gone.kind and p.uid = gone.uid`;
}

async function upsertRows(
  sql: Sql,
  upserts: RowChanges["upserts"],
  partition: number,
): Promise<void> {
  const sorted = sortedByKey(upserts, ({ version }) => version);
  const versions = sorted.map(({ version }) => version);
  const c = objectColumns(sql, versions);
  const entries = sql.texts(
    versions.map(({ uid, record }) => setEntry(uid, record.hash).toString()),
  );
  const starts = sql.texts(sorted.map(({ validFromMs }) => String(validFromMs)));
  await sql`
    insert into cluster_info.objects (client_id, kind, uid, namespace, name, resource_version, hash, entry,
      projection, stub, observed_at, valid_from, kafka_partition, kafka_offset, data)
    select client_id, kind, uid, namespace, name, resource_version, hash, entry::numeric, projection, stub,
      observed_at, to_timestamp(valid_from::bigint / 1000.0), ${partition}::int, kafka_offset::bigint, data::jsonb
    from unnest(${c.clientIds}::text[], ${c.kinds}::text[], ${c.uids}::text[], ${c.namespaces}::text[],
      ${c.names}::text[], ${c.resourceVersions}::text[], ${c.hashes}::text[], ${entries}::text[],
      ${c.projections}::text[], ${c.stubs}::text[], ${c.observed}::text[], ${starts}::text[],
      ${c.offsets}::text[], ${c.data}::text[])
      as r (client_id, kind, uid, namespace, name, resource_version, hash, entry, projection, stub,
        observed_at, valid_from, kafka_offset, data)
    on conflict (client_id, kind, uid) do update set
      namespace = excluded.namespace, name = excluded.name, resource_version = excluded.resource_version,
      hash = excluded.hash, entry = excluded.entry, projection = excluded.projection, stub = excluded.stub,
      observed_at = excluded.observed_at, valid_from = excluded.valid_from,
      kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset, data = excluded.data`;
}

async function upsertPasses(sql: Sql, passes: RowChanges["passes"]): Promise<void> {
  const sorted = sortedByKey(passes, (pass) => pass);
  const { clientIds, kinds, uids } = keyColumns(sql, sorted);
  const names = sql.texts(sorted.map(({ pass }) => pass));
  await sql`
    insert into cluster_info.object_pass as p (client_id, kind, uid, pass)
    select * from unnest(${clientIds}::text[], ${kinds}::text[], ${uids}::text[], ${names}::text[])
    on conflict (client_id, kind, uid) do update set pass = excluded.pass where p.pass <> excluded.pass`;
}
