/** Snapshots, and how much there is of everything. */
import type { Postgres } from "../../../shared/postgres/postgres.ts";
import type { Visible } from "./access.ts";
import { readJson, visibleTo } from "./read.ts";

/** Newest first. */
export const listSnapshots = (postgres: Postgres, visible: Visible, limit: number) =>
  readJson(postgres, "list the snapshots", (sql) => {
    const { all, ids } = visibleTo(sql, visible);
    return sql`
      select json_build_object('data', coalesce(json_agg(s order by id desc), '[]'), 'count', count(*))::text as answer
      from (select id, client_id, taken_at as timestamp, complete_to, counts from cluster_info.snapshots
        where ${all}::boolean or client_id = any (${ids}::text[]) order by id desc limit ${String(limit)}::int) s`;
  });

/** @param id digits; "" for the latest. Its objects are in the lists, with `as_of` and `client_id`. */
export const readSnapshot = (postgres: Postgres, visible: Visible, id: string) =>
  readJson(postgres, "read a snapshot", (sql) => {
    const { all, ids } = visibleTo(sql, visible);
    return sql`
      select (select json_build_object('id', id, 'client_id', client_id, 'timestamp', taken_at, 'as_of', taken_at,
          'complete_to', complete_to, 'counts', counts)
        from cluster_info.snapshots
        where (${all}::boolean or client_id = any (${ids}::text[])) and (${id} = '' or id::text = ${id})
        order by id desc limit 1)::text as answer`;
  });

export const readStats = (postgres: Postgres, visible: Visible) =>
  readJson(postgres, "count what there is", (sql) => {
    const { all, ids } = visibleTo(sql, visible);
    return sql`
      select json_build_object(
        'clusters', (select count(*) from cluster_info.clusters where ${all}::boolean or client_id = any (${ids}::text[])),
        'objects', (select coalesce(json_object_agg(kind, n), '{}') from (select kind, count(*) as n
          from cluster_info.objects where ${all}::boolean or client_id = any (${ids}::text[]) group by kind) k),
        'snapshots', (select count(*) from cluster_info.snapshots where ${all}::boolean or client_id = any (${ids}::text[])),
        'ended_versions', (select count(*) from cluster_info.object_history
          where ${all}::boolean or client_id = any (${ids}::text[])),
        'dead_letters', case when ${all}::boolean then (select count(*) from cluster_info.dead_letters) end,
        'history_from', (select history_from from cluster_info.retention))::text as answer`;
  });
