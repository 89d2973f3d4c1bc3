/**
 * One slice of a partition, applied in one transaction with its cursor: rows, history, dead letters and the offset
 * that comes next, all or nothing. Whoever owns the partition in Kafka's eyes does not matter: the cursor admits
 * each slice once (docs/decision/0041).
 */
import type { PostgresError } from "../../../shared/postgres/error.ts";
import type { Postgres, Sql } from "../../../shared/postgres/postgres.ts";
import { ok, type Result } from "../../../shared/result.ts";
import { type Item, refusedItem } from "../decode/records.ts";
import { type BatchStep, type Steps, stepsOf } from "../plan/steps.ts";
import { lockLives, writeClusters, writeDeadLetters } from "./clusters.ts";
import { moveCursor, type PartitionId } from "./cursor.ts";
import { applyMark, applyScope, type Checked } from "./marks.ts";
import { writeVersions } from "./rows.ts";

/** A transaction that we stopped in, or whose machine is gone, holds its locks so long at most. */
const IDLE_MS = 10_000;
const LOCK_MS = 10_000;
const STATEMENT_MS = 50_000;
const TRANSACTION_MS = 60_000;

const LIMITS = `
  set local synchronous_commit = on;
  set local idle_in_transaction_session_timeout = '${IDLE_MS}ms';
  set local lock_timeout = '${LOCK_MS}ms';
  set local statement_timeout = '${STATEMENT_MS}ms';
  set local tcp_user_timeout = '${IDLE_MS}ms'`;

export type Slice = {
  readonly at: PartitionId;
  /** Where the cursor must be. */
  readonly position: number;
  readonly nextOffset: number;
  readonly items: readonly Item[];
};

export type AppliedSlice = {
  readonly records: number;
  /** The broker's time of the last of them. */
  readonly lastAtMs: number | undefined;
  readonly upserted: number;
  readonly ended: number;
  readonly foreign: number;
  readonly deadLetters: Steps["deadLetters"];
  readonly checked: readonly Checked[];
};

/** `moved`: the cursor was not where the slice begins. */
export type SliceOutcome = AppliedSlice | "moved";

export type ApplyDeps = { readonly postgres: Postgres; readonly nowMs: () => number };

/** A slice that PostgreSQL refuses for a value is halved until the one record is found, which becomes a dead letter. */
export async function applySlice(
  deps: ApplyDeps,
  slice: Slice,
): Promise<Result<SliceOutcome, PostgresError>> {
  const applied = await applyWhole(deps, slice);
  if (applied.ok || applied.error.code !== "data") return applied;
  const { items, nextOffset } = slice;
  if (items.length <= 1) {
    const refused = items.map((item) => refusedItem(item, applied.error.detail));
    return await applyWhole(deps, { ...slice, items: refused });
  }
  const half = Math.ceil(items.length / 2);
  const middle = items[half]?.offset ?? nextOffset;
  const first = await applySlice(deps, {
    ...slice,
    items: items.slice(0, half),
    nextOffset: middle,
  });
  if (!first.ok || first.value === "moved") return first;
  const rest = { ...slice, position: middle, items: items.slice(half) };
  const second = await applySlice(deps, rest);
  if (!second.ok || second.value === "moved") return second;
  return ok(sum(first.value, second.value));
}

function applyWhole(
  { postgres, nowMs }: ApplyDeps,
  slice: Slice,
): Promise<Result<SliceOutcome, PostgresError>> {
  const { topic, partition } = slice.at;
  const what = `store records ${slice.position} to ${slice.nextOffset - 1} of ${topic}/${partition}`;
  return postgres.transaction({ what, deadlineMs: TRANSACTION_MS }, async (sql) => {
    const value = await applyIn(sql, slice, nowMs());
    return { keep: value !== "moved", value };
  });
}

async function applyIn(sql: Sql, slice: Slice, nowMs: number): Promise<SliceOutcome> {
  const { at, position, nextOffset, items } = slice;
  await sql.script(LIMITS);
  const lastAppendMs = items.at(-1)?.atMs ?? 0;
  if (!(await moveCursor(sql, at, { from: position, to: nextOffset, lastAppendMs })))
    return "moved";
  const clientIds = new Set(items.flatMap(({ read }) => (read.ok ? [read.value.clientId] : [])));
  const lives = clientIds.size === 0 ? new Map() : await lockLives(sql, clientIds);
  const steps = stepsOf(items, lives);
  if (clientIds.size > 0) await writeClusters(sql, steps, at);
  const checked: Checked[] = [];
  const done = { upserted: 0, ended: 0, checked };
  for (const step of steps.steps) await applyStep(sql, step, { at, nowMs, done });
  const { deadLetters } = steps;
  if (deadLetters.length > 0) await writeDeadLetters(sql, deadLetters, at);
  const foreign = steps.foreign.reduce((total, { count }) => total + count, 0);
  const lastAtMs = items.at(-1)?.atMs;
  return { ...done, records: items.length, lastAtMs, foreign, deadLetters };
}

type Progress = {
  readonly at: PartitionId;
  readonly nowMs: number;
  readonly done: { upserted: number; ended: number; readonly checked: Checked[] };
};

async function applyStep(sql: Sql, step: BatchStep, { at, nowMs, done }: Progress): Promise<void> {
  switch (step.type) {
    case "rows": {
      const counts = await writeVersions(sql, step.versions, at.partition);
      done.upserted += counts.upserted;
      done.ended += counts.ended;
      return;
    }
    case "scope":
      done.ended += await applyScope(sql, step);
      return;
    case "mark": {
      const checked = await applyMark(sql, step, nowMs);
      done.ended += checked.closed;
      done.checked.push(checked);
    }
  }
}

const sum = (one: AppliedSlice, other: AppliedSlice): AppliedSlice => ({
  records: one.records + other.records,
  lastAtMs: other.lastAtMs ?? one.lastAtMs,
  upserted: one.upserted + other.upserted,
  ended: one.ended + other.ended,
  foreign: one.foreign + other.foreign,
  deadLetters: [...one.deadLetters, ...other.deadLetters],
  checked: [...one.checked, ...other.checked],
});
