/**
 * From Kafka's records to what they mean, in offset order (pure).
 *
 * Invariants (test/sidecar/ingest/decode/records.test.ts): nothing throws, whatever the bytes; each record gives
 * one item; time never goes back within a partition, whatever clock the topic has.
 */
import type { CorruptBatch, KafkaRecord } from "../../../shared/kafka/batch/record.ts";
import {
  type ClusterInfoError,
  type ClusterInfoMessage,
  decodeClusterInfo,
} from "../../../shared/protocol/cluster-info.ts";
import { err, type Result } from "../../../shared/result.ts";

/** A record that is kept by its coordinates alone: its value may hold secrets. */
export type DeadLetter = {
  readonly code: ClusterInfoError["code"] | "batch-corrupt" | "refused-by-database";
  /** One sentence for an operator, without any of the value. */
  readonly detail: string;
};

/** Where a record stands, and when the broker took it in. */
export type RecordPlace = {
  readonly offset: number;
  /** Unix ms, by the broker; of records before it in the partition none is later. */
  readonly atMs: number;
};

export type Item = RecordPlace & {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly read: Result<ClusterInfoMessage, DeadLetter>;
};

type Bounds = {
  /** The latest time of the partition so far. */
  readonly notBeforeMs: number;
  /** Our time: a sender's clock may be years ahead. */
  readonly nowMs: number;
};

/** One item a record, and one for all the records that a corrupt batch had: none of these can be told from the others. */
export function decodeRecords(
  records: readonly KafkaRecord[],
  corrupt: readonly CorruptBatch[],
  { notBeforeMs, nowMs }: Bounds,
): readonly Item[] {
  let lastMs = notBeforeMs;
  const items = records.map(({ offset, timestampMs, timestampType, key, value, headers }): Item => {
    const saidMs = timestampType === "append" ? timestampMs : Math.min(timestampMs, nowMs);
    lastMs = Math.max(lastMs, saidMs);
    return { offset, atMs: lastMs, key, value, read: decodeClusterInfo(key, value, headers()) };
  });
  if (corrupt.length === 0) return items;
  const lost = corrupt.map(({ baseOffset, detail }) =>
    corruptItem(baseOffset, detail, notBeforeMs),
  );
  return [...items, ...lost].toSorted((one, other) => one.offset - other.offset);
}

const corruptItem = (offset: number, detail: string, atMs: number): Item => ({
  ...{ offset, atMs, key: null, value: null },
  read: err({ code: "batch-corrupt", detail }),
});

/** The same item, as one that PostgreSQL does not take. */
export const refusedItem = (item: Item, detail: string): Item => ({
  ...item,
  read: err({ code: "refused-by-database", detail }),
});
