/** Objects of one kind, as they are or were: one statement, so that no version is seen twice or not at all. */
import * as v from "valibot";
import type { PostgresError } from "../../../shared/postgres/error.ts";
import type { Postgres, Sql } from "../../../shared/postgres/postgres.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Visible } from "./access.ts";
import { type ListQuery, nextOf } from "./query.ts";
import { readJson, visibleTo } from "./read.ts";

const Listed = v.object({
  history_from: v.nullable(v.string()),
  complete_to: v.nullable(v.string()),
  verified: v.boolean(),
  rows: v.array(v.looseObject({ client_id: v.string(), uid: v.string() })),
});

export type ListAnswer = {
  readonly data: readonly Readonly<Record<string, unknown>>[];
  readonly count: number;
  /** Changes after this moment may not be in the answer yet; null: no cluster has said. */
  readonly complete_to: string | null;
  readonly verified: boolean;
  readonly as_of?: string;
  /** Absent on the last page. */
  readonly next?: string;
};

/** `gone`: versions of that time have been deleted. */
export type ListError = PostgresError | { readonly code: "gone"; readonly detail: string };

export async function listObjects(
  postgres: Postgres,
  kind: string,
  query: ListQuery,
  visible: Visible,
): Promise<Result<ListAnswer, ListError>> {
  const { asOf, limit } = query;
  const statement = asOf === undefined ? currentRows : rowsAsOf;
  const read = await readJson(postgres, `list ${kind}`, (sql) =>
    statement(sql, kind, query, visible),
  );
  if (!read.ok) return read;
  const { history_from: from, rows, ...rest } = v.parse(Listed, read.value);
  if (asOf !== undefined && from !== null && Date.parse(asOf) < Date.parse(from)) {
    return err({
      code: "gone",
      detail: `as_of=${asOf}: versions that ended before ${from} have been deleted`,
    });
  }
  const data = rows.slice(0, limit);
  const last = rows.length > limit ? data.at(-1) : undefined;
  return ok({
    ...{ data, count: data.length, ...rest },
    ...(asOf === undefined ? {} : { as_of: asOf }),
    ...(last === undefined ? {} : { next: nextOf(last.client_id, last.uid) }),
  });
}

function currentRows(sql: Sql, kind: string, query: ListQuery, visible: Visible) {
  const { clientId = null, namespace = null, after, limit } = query;
  const { all, ids } = visibleTo(sql, visible);
  return sql`
    with rows as (
      select c.client_id, o.uid, o.data || jsonb_build_object('client_id', c.client_id, 'uid', o.uid,
        'resource_version', o.resource_version, 'valid_from', o.valid_from) as row
      from cluster_info.clusters c
      -- By cluster: each is a walk along the primary key, however many rows there are.
      cross join lateral (
        select uid, resource_version, valid_from, data from cluster_info.objects
        where client_id = c.client_id and kind = ${kind} and (c.client_id > ${after[0]} or uid > ${after[1]})
          and (${namespace}::text is null or namespace = ${namespace})
        order by uid limit ${String(limit + 1)}::int) o
      where c.client_id >= ${after[0]} and (${all}::boolean or c.client_id = any (${ids}::text[]))
        and (${clientId}::text is null or c.client_id = ${clientId})
      order by c.client_id, o.uid limit ${String(limit + 1)}::int),
    said as (
      select min(complete_to) as complete_to, coalesce(bool_and(verified), false) as verified
      from cluster_info.kinds
      where kind = ${kind} and (${all}::boolean or client_id = any (${ids}::text[]))
        and (${clientId}::text is null or client_id = ${clientId}))
    select json_build_object('history_from', (select history_from from cluster_info.retention),
      'complete_to', said.complete_to, 'verified', said.verified,
      'rows', (select coalesce(json_agg(row order by client_id, uid), '[]') from rows))::text as answer
    from said`;
}

function rowsAsOf(sql: Sql, kind: string, query: ListQuery, visible: Visible) {
  const { clientId = null, namespace = null, after, limit, asOf = "infinity" } = query;
  const { all, ids } = visibleTo(sql, visible);
  return sql`
    with versions as (
      select client_id, uid, namespace, resource_version, valid_from, data from cluster_info.objects
      where kind = ${kind} and valid_from <= ${asOf}::timestamptz
      union all
      select client_id, uid, namespace, resource_version, valid_from, data from cluster_info.object_history
      where kind = ${kind} and valid_from <= ${asOf}::timestamptz and valid_to > ${asOf}::timestamptz),
    rows as (
      select client_id, uid, data || jsonb_build_object('client_id', client_id, 'uid', uid,
        'resource_version', resource_version, 'valid_from', valid_from) as row
      from versions
      where (${all}::boolean or client_id = any (${ids}::text[]))
        and (${clientId}::text is null or client_id = ${clientId}) and (${namespace}::text is null or namespace = ${namespace})
        and (client_id, uid) > (${after[0]}, ${after[1]})
      order by client_id, uid limit ${String(limit + 1)}::int),
    said as (
      select min(complete_to) as complete_to, coalesce(bool_and(verified), false) as verified
      from cluster_info.kinds
      where kind = ${kind} and (${all}::boolean or client_id = any (${ids}::text[]))
        and (${clientId}::text is null or client_id = ${clientId}))
    select json_build_object('history_from', (select history_from from cluster_info.retention),
      'complete_to', said.complete_to, 'verified', said.verified,
      'rows', (select coalesce(json_agg(row order by client_id, uid), '[]') from rows))::text as answer
    from said`;
}
