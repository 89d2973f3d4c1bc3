/** Clusters, what changed in one between two moments, and whether its rows are what its agent has. */
import * as v from "valibot";
import type { Postgres, Sql } from "../../../shared/postgres/postgres.ts";
import { objectHash, setEntry, setHashText } from "../../../shared/protocol/object-hash.ts";
import { ok } from "../../../shared/result.ts";
import type { Visible } from "./access.ts";
import { nextOf } from "./query.ts";
import { readJson, visibleTo } from "./read.ts";

const MODULUS = 1n << 128n;

/** Each with its kinds, its second agent if there is one, and other client ids of the same cluster. */
export const listClusters = (postgres: Postgres, visible: Visible, only: string | null) =>
  readJson(postgres, "list the clusters", (sql) => {
    const { all, ids } = visibleTo(sql, visible);
    return sql`
      select json_build_object('data', coalesce(json_agg(json_build_object(
        'client_id', c.client_id, 'life', c.life, 'begun_at', c.begun_at, 'heard_at', c.heard_at, 'mode', c.mode,
        'agent_version', c.agent_version, 'partition', c.partition, 'cluster_uid', c.cluster_uid,
        'same_cluster_as', (select coalesce(json_agg(o.client_id order by o.client_id), '[]') from cluster_info.clusters o
          where o.cluster_uid = c.cluster_uid and o.client_id <> c.client_id
            and (${all}::boolean or o.client_id = any (${ids}::text[]))),
        'foreign_records', c.foreign_records, 'foreign_life', c.foreign_life, 'foreign_at', c.foreign_at,
        'complete_to', (select min(complete_to) from cluster_info.kinds k where k.client_id = c.client_id),
        'verified', (select coalesce(bool_and(verified), false) from cluster_info.kinds k where k.client_id = c.client_id),
        'kinds', (select coalesce(json_agg(json_build_object('kind', k.kind, 'state', k.state, 'state_since', k.state_since,
          'scope', k.scope, 'detail', k.detail, 'verified', k.verified, 'unverified_reason', k.unverified_reason,
          'mark_at', k.mark_at, 'full_pass_at', k.full_pass_at, 'complete_to', k.complete_to,
          'refused', k.refused_count) order by k.kind), '[]')
          from cluster_info.kinds k where k.client_id = c.client_id)) order by c.client_id), '[]'),
        'count', count(*))::text as answer
      from cluster_info.clusters c
      where (${all}::boolean or c.client_id = any (${ids}::text[])) and (${only}::text is null or c.client_id = ${only})
      having ${only}::text is null or count(*) > 0`;
  });

export type DiffQuery = {
  readonly from: string;
  readonly to: string;
  readonly limit: number;
  readonly after: readonly [string, string];
};

const Diff = v.object({
  history_from: v.nullable(v.string()),
  complete_to: v.nullable(v.string()),
  rows: v.array(v.looseObject({ kind: v.string(), uid: v.string() })),
});

/** `gone` when versions of the earlier moment have been deleted. */
export async function diffCluster(postgres: Postgres, clientId: string, query: DiffQuery) {
  const { from, to, limit } = query;
  const read = await readJson(postgres, `compare ${clientId} at two moments`, (sql) =>
    changedBetween(sql, clientId, query),
  );
  if (!read.ok) return read;
  const { history_from: kept, complete_to, rows } = v.parse(Diff, read.value);
  if (kept !== null && Date.parse(from) < Date.parse(kept)) return ok({ gone: kept });
  const data = rows.slice(0, limit);
  const last = rows.length > limit ? data.at(-1) : undefined;
  const next = last === undefined ? {} : { next: nextOf(last.kind, last.uid) };
  return ok({ client_id: clientId, from, to, complete_to, data, count: data.length, ...next });
}

const changedBetween = (sql: Sql, clientId: string, { from, to, limit, after }: DiffQuery) => sql`
  with versions as (
    select kind, uid, namespace, name, hash, valid_from, 'infinity'::timestamptz as valid_to, data
    from cluster_info.objects where client_id = ${clientId}
    union all
    select kind, uid, namespace, name, hash, valid_from, valid_to, data
    from cluster_info.object_history where client_id = ${clientId} and valid_to > ${from}::timestamptz),
  before as (select * from versions where valid_from <= ${from}::timestamptz and valid_to > ${from}::timestamptz),
  after as (select * from versions where valid_from <= ${to}::timestamptz and valid_to > ${to}::timestamptz),
  rows as (
    select coalesce(a.kind, b.kind) as kind, coalesce(a.uid, b.uid) as uid, coalesce(a.namespace, b.namespace) as namespace,
      coalesce(a.name, b.name) as name,
      case when b.uid is null then 'added' when a.uid is null then 'removed' else 'changed' end as change,
      b.data as before, a.data as after
    from before b full join after a on a.kind = b.kind and a.uid = b.uid
    where a.hash is distinct from b.hash
      and (coalesce(a.kind, b.kind), coalesce(a.uid, b.uid)) > (${after[0]}, ${after[1]})
    order by 1, 2 limit ${String(limit + 1)}::int)
  select json_build_object('history_from', (select history_from from cluster_info.retention),
    'complete_to', (select min(complete_to) from cluster_info.kinds where client_id = ${clientId}),
    'rows', (select coalesce(json_agg(rows order by kind, uid), '[]') from rows))::text as answer`;

const Sums = v.array(v.looseObject({ kind: v.string(), sum: v.string() }));

/** Number and hash of the rows of each kind, beside those of the last mark. */
export async function proveCluster(postgres: Postgres, clientId: string) {
  const read = await readJson(
    postgres,
    `prove ${clientId}`,
    (sql) => sql`
      select coalesce(json_agg(json_build_object('kind', k.kind, 'state', k.state, 'verified', k.verified,
        'unverified_reason', k.unverified_reason, 'complete_to', k.complete_to,
        'mark', json_build_object('at', k.mark_at, 'full', k.mark_full, 'pass', k.pass, 'count', k.mark_count,
          'set_hash', k.mark_set_hash, 'row_count', k.row_count, 'row_set_hash', k.row_set_hash, 'refused', k.refused_count),
        'count', coalesce(r.count, 0), 'sum', coalesce(r.sum, 0)::text) order by k.kind), '[]')::text as answer
      from cluster_info.kinds k
      left join (select kind, count(*), sum(entry) from cluster_info.objects where client_id = ${clientId} group by kind) r
        on r.kind = k.kind
      where k.client_id = ${clientId}`,
  );
  if (!read.ok) return read;
  const data = v.parse(Sums, read.value).map(({ sum, ...kind }) => ({
    ...{ ...kind, set_hash: setHashText(BigInt(sum) % MODULUS) },
  }));
  return ok({ client_id: clientId, data });
}

const Hashes = v.array(
  v.object({
    ...{ uid: v.string(), namespace: v.nullable(v.string()), name: v.string(), hash: v.string() },
    data: v.unknown(),
  }),
);
type HashPage = { readonly kind: string; readonly after: string; readonly limit: number };

/** The hash of each object, computed anew from what is stored: for who compares object by object. */
export async function proveObjects(postgres: Postgres, clientId: string, page: HashPage) {
  const { kind, after, limit } = page;
  const read = await readJson(
    postgres,
    `prove ${kind} of ${clientId}`,
    (sql) => sql`
      select coalesce(json_agg(r order by uid), '[]')::text as answer from (
        select uid, namespace, name, hash, data from cluster_info.objects
        where client_id = ${clientId} and kind = ${kind} and uid > ${after}
        order by uid limit ${String(limit + 1)}::int) r`,
  );
  if (!read.ok) return read;
  const rows = v.parse(Hashes, read.value);
  const data = rows.slice(0, limit).map(({ data: object, ...row }) => {
    const hash = objectHash(object) ?? "";
    return { ...row, hash, intact: hash === row.hash, entry: setHashText(setEntry(row.uid, hash)) };
  });
  const last = rows.length > limit ? data.at(-1) : undefined;
  const next = last === undefined ? {} : { next: nextOf(kind, last.uid) };
  return ok({ client_id: clientId, kind, data, count: data.length, ...next });
}
