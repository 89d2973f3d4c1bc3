/** What is known of clusters as wholes, and of records that were not taken. */
import * as v from "valibot";
import type { Sql } from "../../../shared/postgres/postgres.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { ForeignRecords, NewLife, Steps } from "../plan/steps.ts";
import type { PartitionId } from "./cursor.ts";

const KEY_CHARS_MAX = 400;

const LifeRows = v.array(v.object({ client_id: v.string(), life: v.string() }));

/** The lives of these clusters, locked until the transaction ends. */
export async function lockLives(
  sql: Sql,
  clientIds: ReadonlySet<ClientId>,
): Promise<ReadonlyMap<string, string>> {
  const rows = await sql`
    select client_id, life from cluster_info.clusters
    where client_id = any (${sql.texts([...clientIds])}::text[]) order by client_id for update`;
  return new Map(v.parse(LifeRows, rows).map(({ client_id, life }) => [client_id, life]));
}

export async function writeClusters(sql: Sql, steps: Steps, at: PartitionId): Promise<void> {
  for (const life of steps.lives) await writeLife(sql, life, at);
  for (const foreign of steps.foreign) await noteForeign(sql, foreign);
  const heard = [...steps.heard].toSorted(([one], [other]) => (one < other ? -1 : 1));
  await sql`
    update cluster_info.clusters c
    set heard_at = greatest(c.heard_at, to_timestamp(h.at::bigint / 1000.0)),
      partition = ${String(at.partition)}::int, topic_id = ${at.topicId}
    from unnest(${sql.texts(heard.map(([id]) => id))}::text[], ${sql.texts(heard.map(([, ms]) => String(ms)))}::text[])
      as h (client_id, at)
    where c.client_id = h.client_id`;
}

async function writeLife(sql: Sql, life: NewLife, at: PartitionId): Promise<void> {
  const { begin } = life;
  await sql`
    insert into cluster_info.clusters (client_id, life, topic_id, partition, begun_at, heard_at,
      partition_count, mode, agent_version, projection, cluster_uid)
    select ${life.clientId}, ${life.life}, ${at.topicId}, ${String(at.partition)}::int, t, t,
      ${begin === undefined ? null : String(begin.partition_count)}::int, ${begin?.mode ?? null}::text,
      ${begin?.agent_version ?? null}::text, ${begin?.projection ?? null}::text, ${begin?.cluster_uid ?? null}::text
    from (select to_timestamp(${String(life.atMs)}::bigint / 1000.0) as t) as now
    on conflict (client_id) do update set life = excluded.life, topic_id = excluded.topic_id,
      partition = excluded.partition, begun_at = excluded.begun_at, partition_count = excluded.partition_count,
      mode = excluded.mode, agent_version = excluded.agent_version, projection = excluded.projection,
      cluster_uid = excluded.cluster_uid`;
}

async function noteForeign(
  sql: Sql,
  { clientId, life, count, atMs }: ForeignRecords,
): Promise<void> {
  await sql`
    update cluster_info.clusters
    set foreign_records = foreign_records + ${String(count)}::bigint, foreign_life = ${life},
      foreign_at = to_timestamp(${String(atMs)}::bigint / 1000.0)
    where client_id = ${clientId}`;
}

export async function writeDeadLetters(
  sql: Sql,
  letters: Steps["deadLetters"],
  at: PartitionId,
): Promise<void> {
  const column = (of: (letter: Steps["deadLetters"][number]) => string | null) =>
    sql.texts(letters.map(of));
  await sql`
    insert into cluster_info.dead_letters (topic_id, partition, record_offset, code, detail, key, value_bytes, value_sha256, at)
    select ${at.topicId}, ${String(at.partition)}::int, o::bigint, code, detail, key, bytes::bigint, digest,
      to_timestamp(at::bigint / 1000.0)
    from unnest(${column(({ offset }) => String(offset))}::text[], ${column(({ letter }) => letter.code)}::text[],
      ${column(({ letter }) => letter.detail)}::text[], ${column(({ key }) => keyShown(key))}::text[],
      ${column(({ value }) => (value === null ? null : String(value.byteLength)))}::text[],
      ${column(({ value }) => (value === null ? null : digestOf(value)))}::text[],
      ${column(({ atMs }) => String(atMs))}::text[])
      as l (o, code, detail, key, bytes, digest, at)
    on conflict do nothing`;
}

/** Printable, for people: whatever bytes a key had. */
function keyShown(key: Uint8Array | null): string | null {
  if (key === null) return null;
  const text = new TextDecoder().decode(key.subarray(0, KEY_CHARS_MAX));
  return text.replaceAll(/[^\x20-\x7e]/gu, "?");
}

const digestOf = (value: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(value).digest("hex");
