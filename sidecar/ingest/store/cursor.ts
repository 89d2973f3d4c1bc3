/**
 * Where each partition goes on: in the database, moved in the transaction that applies what lies before it. Kafka's
 * own committed offset is for tools that show the lag; nothing here begins at it.
 */
import * as v from "valibot";
import type { Sql } from "../../../shared/postgres/postgres.ts";

/** Of one partition of one incarnation of a topic. */
export type PartitionId = {
  readonly topic: string;
  /** "" where Kafka gives its topics none. */
  readonly topicId: string;
  readonly partition: number;
};

export type Cursor = {
  readonly nextOffset: number;
  /** The latest broker time of what was applied, Unix ms; 0 before the first record. */
  readonly lastAppendMs: number;
  /** The first that is read of a topic of which another incarnation was read before. */
  readonly isMadeAgain: boolean;
};

const Row = v.tuple([
  v.object({ next_offset: v.string(), last_append_ms: v.string(), other: v.boolean() }),
]);

export async function openCursor(sql: Sql, at: PartitionId): Promise<Cursor> {
  await sql`
    insert into cluster_info.cursors (topic_id, partition, topic, next_offset)
    values (${at.topicId}, ${String(at.partition)}::int, ${at.topic}, 0) on conflict do nothing`;
  const rows = await sql`
    select c.next_offset::text, coalesce((extract(epoch from c.last_append_at) * 1000)::bigint, 0)::text as last_append_ms,
      exists (select from cluster_info.cursors o where o.topic = c.topic and o.topic_id <> c.topic_id) as other
    from cluster_info.cursors c
    where c.topic_id = ${at.topicId} and c.partition = ${String(at.partition)}::int`;
  const [row] = v.parse(Row, rows);
  return {
    nextOffset: Number(row.next_offset),
    lastAppendMs: Number(row.last_append_ms),
    isMadeAgain: row.other && row.next_offset === "0",
  };
}

/** @returns false when the cursor is somewhere else: another member has applied this, or we have */
export async function moveCursor(
  sql: Sql,
  at: PartitionId,
  move: { readonly from: number; readonly to: number; readonly lastAppendMs: number },
): Promise<boolean> {
  const rows = await sql`
    update cluster_info.cursors
    set next_offset = ${String(move.to)}::bigint, applied_at = now(),
      last_append_at = greatest(last_append_at, to_timestamp(nullif(${String(move.lastAppendMs)}, '0')::bigint / 1000.0))
    where topic_id = ${at.topicId} and partition = ${String(at.partition)}::int
      and next_offset = ${String(move.from)}::bigint
    returning 1 as moved`;
  return rows.length === 1;
}

/** Records of this partition may have been lost before they were read: all that it says is unverified until a full pass. */
export async function noteMissed(sql: Sql, partition: number, reason: string): Promise<void> {
  await sql`
    update cluster_info.kinds k
    set verified = false, unverified_reason = ${reason}, missed_since = coalesce(k.missed_since, now())
    from cluster_info.clusters c
    where c.client_id = k.client_id and c.partition = ${String(partition)}::int`;
}
