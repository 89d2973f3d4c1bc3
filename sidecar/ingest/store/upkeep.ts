/**
 * What is done beside storing, by any of the members: snapshots are noted, and what is older than it is kept is
 * deleted. Each runs in short statements, so that it holds up nobody who stores.
 */
import * as v from "valibot";
import { sleep } from "../../../shared/clock.ts";
import { formatDuration } from "../../../shared/duration.ts";
import type { Log } from "../../../shared/log.ts";
import type { PostgresError } from "../../../shared/postgres/error.ts";
import type { Postgres, Sql } from "../../../shared/postgres/postgres.ts";
import type { Result } from "../../../shared/result.ts";

const CALL_MS = 60_000;
const LOCK_MS = 2_000;
/** How often we look whether something is due. */
const LOOK_MS = 60_000;
/** Two members never note the same snapshot: "snapshot" as a number. */
const SNAPSHOT_LOCK = 8_031_735_630;

export type UpkeepSettings = {
  readonly snapshotIntervalMs: number;
  /** Undefined: nothing is deleted. */
  readonly retention:
    | {
        readonly maxAgeMs: number;
        readonly maxSnapshots: number;
        readonly intervalMs: number;
        readonly batch: number;
      }
    | undefined;
};

export type UpkeepDeps = {
  readonly postgres: Postgres;
  readonly settings: UpkeepSettings;
  readonly operation: (name: "snapshot" | "retention", isOk: boolean) => void;
  readonly log: Log;
  readonly monotonicMs: () => number;
  readonly signal: AbortSignal;
};

export async function runUpkeep(deps: UpkeepDeps): Promise<void> {
  const { settings, signal, monotonicMs } = deps;
  let cleanedMs = Number.NEGATIVE_INFINITY;
  const { retention } = settings;
  const lookMs = Math.min(LOOK_MS, retention?.intervalMs ?? LOOK_MS);
  while (!signal.aborted) {
    note(deps, "snapshot", await takeSnapshots(deps));
    if (retention !== undefined && monotonicMs() - cleanedMs >= retention.intervalMs) {
      cleanedMs = monotonicMs();
      note(deps, "retention", await deleteOld(deps, retention));
    }
    await sleep(lookMs, signal);
  }
}

function note(
  { operation, log }: UpkeepDeps,
  name: "snapshot" | "retention",
  done: Result<number, PostgresError>,
): void {
  operation(name, done.ok);
  if (!done.ok) log.warn(`${name} failed; it is tried again`, { error: done.error.detail });
  else if (done.value > 0) log.info(name, { rows: done.value });
}

const Count = v.tuple([v.object({ n: v.string() })]);

/** A row for each cluster whose last snapshot is old enough. */
function takeSnapshots({ postgres, settings }: UpkeepDeps): Promise<Result<number, PostgresError>> {
  const everyMs = String(settings.snapshotIntervalMs);
  return postgres.transaction({ what: "note snapshots", deadlineMs: CALL_MS }, async (sql) => {
    await sql.script(
      `set local lock_timeout = '${LOCK_MS}ms'; select pg_advisory_xact_lock(${SNAPSHOT_LOCK})`,
    );
    const rows = await sql`
      with due as (
        select c.client_id from cluster_info.clusters c
        where not exists (select from cluster_info.snapshots s where s.client_id = c.client_id
          and s.taken_at > now() - ${everyMs}::bigint * interval '1 millisecond')),
      taken as (
        insert into cluster_info.snapshots (client_id, taken_at, complete_to, counts)
        select d.client_id, now(), (select min(complete_to) from cluster_info.kinds k where k.client_id = d.client_id),
          (select coalesce(jsonb_object_agg(kind, n), '{}') from (select kind, count(*) as n
            from cluster_info.objects o where o.client_id = d.client_id group by kind) counted)
        from due d returning 1)
      select count(*)::text as n from taken`;
    return { keep: true, value: Number(v.parse(Count, rows)[0].n) };
  });
}

type Retention = NonNullable<UpkeepSettings["retention"]>;

/** History in batches until none is old; first the cut-off is moved, so that no answer leaves out what is gone. */
async function deleteOld(
  { postgres, signal, log }: UpkeepDeps,
  { maxAgeMs, maxSnapshots, batch }: Retention,
): Promise<Result<number, PostgresError>> {
  const what = `delete what is older than ${formatDuration(maxAgeMs)}`;
  const age = String(maxAgeMs);
  const inOne = (work: (sql: Sql) => Promise<number>) =>
    postgres.transaction({ what, deadlineMs: CALL_MS }, async (sql) => {
      await sql.script(`set local lock_timeout = '${LOCK_MS}ms'`);
      return { keep: true, value: await work(sql) };
    });
  const prepared = await inOne((sql) => moveCutOff(sql, age, maxSnapshots));
  if (!prepared.ok) return prepared;
  let total = prepared.value;
  for (const table of ["object_history", "dead_letters"] as const) {
    for (let last = batch; last === batch && !signal.aborted; ) {
      const done = await inOne((sql) => deleteBatch(sql, table, age, batch));
      if (!done.ok) return done;
      last = done.value;
      total += last;
    }
  }
  log.debug("retention", { rows: total });
  return { ok: true, value: total };
}

async function moveCutOff(sql: Sql, age: string, maxSnapshots: number): Promise<number> {
  await sql`
    update cluster_info.retention
    set history_from = greatest(history_from, now() - ${age}::bigint * interval '1 millisecond')
    where exists (select from cluster_info.object_history
      where valid_to < now() - ${age}::bigint * interval '1 millisecond')`;
  const rows = await sql`
    with gone as (
      delete from cluster_info.snapshots where id in (
        select id from (select id, taken_at, row_number() over (partition by client_id order by id desc) as place
          from cluster_info.snapshots) s
        where place > ${String(maxSnapshots)}::int or taken_at < now() - ${age}::bigint * interval '1 millisecond')
      returning 1)
    select count(*)::text as n from gone`;
  return Number(v.parse(Count, rows)[0].n);
}

async function deleteBatch(
  sql: Sql,
  table: "object_history" | "dead_letters",
  age: string,
  batch: number,
): Promise<number> {
  const column = table === "object_history" ? "valid_to" : "at";
  const rows = await sql.script(`
    with gone as (
      delete from cluster_info.${table} where (tableoid, ctid) in (
        select tableoid, ctid from cluster_info.${table} where ${column} < now() - ${age} * interval '1 millisecond' limit ${batch})
      returning 1)
    select count(*)::text as n from gone`);
  return Number(v.parse(Count, rows)[0].n);
}
