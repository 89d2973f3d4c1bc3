/** What marks and scopes do to the rows of a kind, and whether the rows are what the agent says they are. */
import * as v from "valibot";
import type { Sql } from "../../../shared/postgres/postgres.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { setHashText } from "../../../shared/protocol/object-hash.ts";
import type { BatchStep } from "../plan/steps.ts";

type MarkStep = Extract<BatchStep, { type: "mark" }>;
type ScopeStep = Extract<BatchStep, { type: "scope" }>;

/**
 * Compaction may take objects away that a mark of this age still counts: the topic's min.compaction.lag.ms is a day.
 * An hour less, for clocks that differ.
 */
const MARK_AGE_MAX_MS = 23 * 3_600_000;
const MODULUS = 1n << 128n;
const TOO_OLD = "the last mark is older than the topic keeps every record; the next full pass says";

export type Checked = {
  readonly clientId: ClientId;
  readonly kind: string;
  /** Undefined: the mark is too old to compare with. */
  readonly equal: boolean | undefined;
  readonly closed: number;
};

const RowSum = v.tuple([v.object({ count: v.string(), sum: v.string() })]);
const Closed = v.tuple([v.object({ closed: v.string() })]);

/** @param nowMs by our clock */
export async function applyMark(sql: Sql, step: MarkStep, nowMs: number): Promise<Checked> {
  const { clientId, kind, mark } = step.message;
  const isFresh = nowMs - step.at.atMs < MARK_AGE_MAX_MS;
  const closed = mark.full && isFresh ? await closeOtherPasses(sql, step) : 0;
  const rows = await rowSum(sql, clientId, kind);
  const isEqual = rows.count === mark.count && rows.setHash === mark.set_hash;
  await noteMark(
    sql,
    step,
    rows,
    isFresh && isEqual,
    isFresh ? unequal(step, rows, isEqual) : TOO_OLD,
  );
  return { clientId, kind, equal: isFresh ? isEqual : undefined, closed };
}

function unequal({ message: { mark } }: MarkStep, rows: KindSum, isEqual: boolean): string | null {
  if (isEqual) return null;
  return `the agent has ${mark.count} objects with hash ${mark.set_hash}, the rows are ${rows.count} with ${rows.setHash}`;
}

type KindSum = { readonly count: number; readonly setHash: string };

/** Number and hash of the rows of one kind, as marks have them. */
async function rowSum(sql: Sql, clientId: string, kind: string): Promise<KindSum> {
  const rows = await sql`
    select count(*)::text as count, coalesce(sum(entry), 0)::text as sum
    from cluster_info.objects where client_id = ${clientId} and kind = ${kind}`;
  const [{ count, sum }] = v.parse(RowSum, rows);
  return { count: Number(count), setHash: setHashText(BigInt(sum) % MODULUS) };
}

async function closeOtherPasses(sql: Sql, { at, message }: MarkStep): Promise<number> {
  const { clientId, kind, mark } = message;
  const rows = await sql`
    with gone as (
      delete from cluster_info.objects o using cluster_info.object_pass p
      where o.client_id = ${clientId} and o.kind = ${kind}
        and p.client_id = o.client_id and p.kind = o.kind and p.uid = o.uid and p.pass <> ${mark.pass}
      returning o.*),
    forgotten as (
      delete from cluster_info.object_pass p using gone
      where p.client_id = gone.client_id and p.kind = gone.kind and p.uid = gone.uid),
    kept as (
      insert into cluster_info.object_history (client_id, kind, uid, namespace, name, resource_version, hash,
        projection, stub, observed_at, valid_from, valid_to, ending, kafka_partition, kafka_offset, data)
      select client_id, kind, uid, namespace, name, resource_version, hash, projection, stub, observed_at,
        valid_from, greatest(valid_from, to_timestamp(${String(at.atMs)}::bigint / 1000.0)), 'not-in-pass',
        kafka_partition, kafka_offset, data
      from gone)
    select count(*)::text as closed from gone`;
  const [{ closed }] = v.parse(Closed, rows);
  return Number(closed);
}

async function noteMark(
  sql: Sql,
  { at, message }: MarkStep,
  rows: KindSum,
  isVerified: boolean,
  reason: string | null,
): Promise<void> {
  const { clientId, kind, mark } = message;
  const atMs = String(at.atMs);
  const completeMs = String(at.atMs - mark.bookmark_age_ms);
  const refused = mark.refused_count ?? mark.refused?.length ?? 0;
  // What had been missed is known again only by a full pass.
  await sql`
    insert into cluster_info.kinds as k (client_id, kind, state, state_since, scope, pass, full_pass_at, mark_at,
      mark_offset, mark_full, mark_count, mark_set_hash, mark_resource_version, bookmark_age_ms, refused_count,
      row_count, row_set_hash, verified, unverified_reason, complete_to)
    select ${clientId}, ${kind}, 'collected', at, ${mark.scope}, ${mark.pass},
      case when ${String(mark.full)}::boolean then at end, at,
      ${String(at.offset)}::bigint, ${String(mark.full)}::boolean, ${String(mark.count)}::bigint, ${mark.set_hash},
      ${mark.resource_version}, ${String(mark.bookmark_age_ms)}::bigint, ${String(refused)}::bigint,
      ${String(rows.count)}::bigint, ${rows.setHash}, ${String(isVerified)}::boolean, ${reason}::text,
      to_timestamp(${completeMs}::bigint / 1000.0)
    from (select to_timestamp(${atMs}::bigint / 1000.0) as at) as t
    on conflict (client_id, kind) do update set
      state = excluded.state,
      state_since = case when k.state = excluded.state then k.state_since else excluded.state_since end,
      scope = excluded.scope, pass = excluded.pass,
      full_pass_at = coalesce(excluded.full_pass_at, k.full_pass_at), mark_at = excluded.mark_at,
      mark_offset = excluded.mark_offset, mark_full = excluded.mark_full, mark_count = excluded.mark_count,
      mark_set_hash = excluded.mark_set_hash, mark_resource_version = excluded.mark_resource_version,
      bookmark_age_ms = excluded.bookmark_age_ms, refused_count = excluded.refused_count,
      row_count = excluded.row_count, row_set_hash = excluded.row_set_hash,
      missed_since = case when excluded.mark_full then null else k.missed_since end,
      verified = excluded.verified and (excluded.mark_full or k.missed_since is null),
      unverified_reason = case when excluded.verified and not excluded.mark_full and k.missed_since is not null
        then k.unverified_reason else excluded.unverified_reason end,
      complete_to = excluded.complete_to`;
}

/** Rows of kinds that are not collected any more end; of those that cannot be read they stay. */
export async function applyScope(sql: Sql, { at, message }: ScopeStep): Promise<number> {
  const { clientId, scope } = message;
  const names = sql.texts(scope.kinds.map(({ kind }) => kind));
  const atMs = String(at.atMs);
  const states = sql.texts(scope.kinds.map(({ state }) => state));
  const scopes = sql.texts(scope.kinds.map((each) => each.scope));
  const details = sql.texts(scope.kinds.map(({ detail }) => detail ?? null));
  await sql`
    insert into cluster_info.kinds as k (client_id, kind, state, state_since, scope, detail, unverified_reason)
    select ${clientId}, kind, state, to_timestamp(${atMs}::bigint / 1000.0), scope, detail, 'no mark yet'
    from (select distinct on (kind) * from
      unnest(${names}::text[], ${states}::text[], ${scopes}::text[], ${details}::text[])
      as s (kind, state, scope, detail) order by kind) as each
    on conflict (client_id, kind) do update set
      state_since = case when k.state = excluded.state then k.state_since else excluded.state_since end,
      state = excluded.state, scope = excluded.scope, detail = excluded.detail`;
  return await closeOtherKinds(sql, clientId, names, atMs);
}

async function closeOtherKinds(
  sql: Sql,
  clientId: string,
  names: unknown,
  atMs: string,
): Promise<number> {
  const rows = await sql`
    with gone as (
      delete from cluster_info.objects where client_id = ${clientId} and kind <> all (${names}::text[])
      returning *),
    forgotten as (
      delete from cluster_info.object_pass where client_id = ${clientId} and kind <> all (${names}::text[])),
    unknown as (
      delete from cluster_info.kinds where client_id = ${clientId} and kind <> all (${names}::text[])),
    kept as (
      insert into cluster_info.object_history (client_id, kind, uid, namespace, name, resource_version, hash,
        projection, stub, observed_at, valid_from, valid_to, ending, kafka_partition, kafka_offset, data)
      select client_id, kind, uid, namespace, name, resource_version, hash, projection, stub, observed_at,
        valid_from, greatest(valid_from, to_timestamp(${atMs}::bigint / 1000.0)), 'not-collected',
        kafka_partition, kafka_offset, data
      from gone)
    select count(*)::text as closed from gone`;
  const [{ closed }] = v.parse(Closed, rows);
  return Number(closed);
}
