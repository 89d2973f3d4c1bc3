/**
 * The partitions that are ours: each is read from its cursor, and a batch waits until the one before it is stored.
 * While the database is away nothing is skipped and nothing piles up: two batches of each partition wait, and with
 * them the next fetch. The group is another connection's matter, so a wait of any length costs no membership.
 */
import { backoffMs } from "../../../shared/backoff.ts";
import { sleep } from "../../../shared/clock.ts";
import type { Consumer } from "../../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import type { Log } from "../../../shared/log.ts";
import type { PostgresError } from "../../../shared/postgres/error.ts";
import type { Sql } from "../../../shared/postgres/postgres.ts";
import type { Result } from "../../../shared/result.ts";
import { decodeRecords, type Item } from "../decode/records.ts";
import {
  type Cursor,
  moveCursor,
  noteMissed,
  openCursor,
  type PartitionId,
} from "../store/cursor.ts";
import type { DatabaseHealth } from "../store/open.ts";
import { type AppliedSlice, type ApplyDeps, applySlice } from "../store/transaction.ts";

/** Records in one transaction: the locks of a batch are held for a fraction of a second. */
const SLICE_RECORDS_MAX = 2000;
const CALL_MS = 10_000;
const AGAIN = { baseMs: 200, maxMs: 5000 } as const;
/** Tombstones vanish from the topic after this (delete.retention.ms): who was away longer may have missed some. */
const AWAY_MAX_MS = 7 * 86_400_000;

const MADE_AGAIN = "the topic was made again; what it does not repeat is unknown until a full pass";

export type PartitionsDeps = ApplyDeps & {
  readonly topic: string;
  readonly consumer: () => Pick<Consumer, "add" | "remove">;
  readonly health: DatabaseHealth;
  /** Makes tables again that are gone. */
  readonly repair: () => Promise<void>;
  readonly applied: (partition: number, applied: AppliedSlice) => void;
  readonly operation: (operation: "store" | "cursor", isOk: boolean) => void;
  readonly log: Log;
  readonly random: () => number;
};

type Held = {
  readonly at: PartitionId;
  readonly lost: AbortController;
  /** Undefined until the cursor was read. */
  position: number | undefined;
  /** Counts how often reading began: what was fetched before is then of no use. */
  beginnings: number;
  /** Settles when the batch in hand is stored. */
  storing: Promise<void>;
  lastAppendMs: number;
  highWatermark: number | undefined;
};

export type PartitionLag = { readonly partition: number; readonly records: number | undefined };

export type Partitions = {
  /** Ours are these from now on; the others are let go at once. */
  readonly own: (partitions: readonly number[], topicId: string) => void;
  readonly deliver: (batch: ReadBatch) => Promise<void>;
  /** The position is not in the topic (any more, or not yet): goes on where the topic begins. */
  readonly outOfRange: (partition: number, offset: number, startOffset: number) => Promise<void>;
  /** What is stored of each, for the group's committed offsets. */
  readonly positions: () => readonly { readonly partition: number; readonly offset: number }[];
  readonly lags: () => readonly PartitionLag[];
};

export function openPartitions(deps: PartitionsDeps): Partitions {
  const held = new Map<number, Held>();

  const release = (each: Held) => {
    each.lost.abort();
    held.delete(each.at.partition);
    deps.consumer().remove(deps.topic, each.at.partition);
  };

  const hold = (partition: number, topicId: string) => {
    const at = { topic: deps.topic, topicId, partition };
    const one: Held = {
      ...{ at, lost: new AbortController(), position: undefined, lastAppendMs: 0 },
      ...{ beginnings: 0, storing: Promise.resolve(), highWatermark: undefined },
    };
    held.set(partition, one);
    void begin(deps, one);
  };

  return {
    own: (partitions, topicId) => {
      for (const each of held.values()) {
        if (!partitions.includes(each.at.partition) || each.at.topicId !== topicId) release(each);
      }
      for (const partition of partitions) if (!held.has(partition)) hold(partition, topicId);
    },
    deliver: async (batch) => {
      const one = held.get(batch.partition);
      if (one?.position === undefined) return;
      one.highWatermark = batch.highWatermark;
      const { beginnings } = one;
      await one.storing;
      // Other partitions need not wait for this one; its own next batch does.
      if (one.beginnings === beginnings) one.storing = storeOrBegin(deps, one, batch);
    },
    outOfRange: async (partition, offset, startOffset) => {
      const one = held.get(partition);
      await one?.storing;
      if (one === undefined || one.position !== offset) return;
      await startOver(deps, one, offset, startOffset);
    },
    positions: () =>
      [...held.values()].flatMap(({ at: { partition }, position: offset }) =>
        offset === undefined ? [] : [{ partition, offset }],
      ),
    lags: () => [...held.values()].map(lagOf),
  };
}

function lagOf({ at: { partition }, position, highWatermark }: Held): PartitionLag {
  const isKnown = position !== undefined && highWatermark !== undefined;
  return { partition, records: isKnown ? Math.max(0, highWatermark - position) : undefined };
}

async function storeOrBegin(deps: PartitionsDeps, one: Held, batch: ReadBatch): Promise<void> {
  const isStored = await store(deps, one, batch);
  if (!isStored && !one.lost.signal.aborted) await begin(deps, one);
}

/** Reads the cursor, and has Kafka read from there. */
async function begin(deps: PartitionsDeps, one: Held): Promise<void> {
  const { at } = one;
  one.position = undefined;
  one.beginnings += 1;
  const cursor = await untilDone(deps, one, "cursor", () =>
    inTransaction(deps, `read the cursor of ${at.topic}/${at.partition}`, (sql) =>
      readCursor(sql, at, deps.nowMs()),
    ),
  );
  if (cursor === undefined) return;
  if (cursor.isMadeAgain) deps.log.warn(MADE_AGAIN, { partition: at.partition });
  one.position = cursor.nextOffset;
  one.lastAppendMs = cursor.lastAppendMs;
  const { topic, partition } = at;
  deps.log.info("reading on", { partition, offset: cursor.nextOffset });
  deps.consumer().add({ topic, partition, offset: cursor.nextOffset });
}

async function readCursor(sql: Sql, at: PartitionId, nowMs: number): Promise<Cursor> {
  const cursor = await openCursor(sql, at);
  if (cursor.isMadeAgain) await noteMissed(sql, at.partition, MADE_AGAIN);
  else if (cursor.lastAppendMs > 0 && nowMs - cursor.lastAppendMs > AWAY_MAX_MS) {
    await noteMissed(
      sql,
      at.partition,
      "nothing was read for longer than the topic keeps deletions",
    );
  }
  return cursor;
}

async function startOver(deps: PartitionsDeps, one: Held, from: number, to: number): Promise<void> {
  const { at } = one;
  const reason =
    from < to
      ? `offsets ${from} to ${to - 1} were deleted before they were read`
      : `the topic ends before offset ${from}, which was read before`;
  deps.log.warn("the topic does not have what comes next; reading from its start", { reason });
  await untilDone(deps, one, "cursor", () =>
    inTransaction(deps, `move the cursor of ${at.topic}/${at.partition}`, async (sql) => {
      await moveCursor(sql, at, { from, to, lastAppendMs: 0 });
      await noteMissed(sql, at.partition, reason);
    }),
  );
  if (!one.lost.signal.aborted) await begin(deps, one);
}

/** @returns false when the cursor was elsewhere, or the partition is no longer ours */
async function store(deps: PartitionsDeps, one: Held, batch: ReadBatch): Promise<boolean> {
  const bounds = { notBeforeMs: one.lastAppendMs, nowMs: deps.nowMs() };
  const items = decodeRecords(batch.records, batch.corrupt, bounds);
  for (const { slice, nextOffset } of slices(items, batch.nextOffset)) {
    const { at, position } = one;
    if (position === undefined || one.lost.signal.aborted) return false;
    if (position === nextOffset) continue;
    const outcome = await untilDone(deps, one, "store", () =>
      applySlice(deps, { at, position, nextOffset, items: slice }),
    );
    if (outcome === undefined || outcome === "moved") return false;
    one.position = nextOffset;
    one.lastAppendMs = slice.at(-1)?.atMs ?? one.lastAppendMs;
    deps.applied(at.partition, outcome);
  }
  return true;
}

/** The last one also takes in what lies behind its records: offsets that compaction has emptied. */
function slices(items: readonly Item[], end: number) {
  const count = Math.max(1, Math.ceil(items.length / SLICE_RECORDS_MAX));
  return Array.from({ length: count }, (_, index) => {
    const next = items[(index + 1) * SLICE_RECORDS_MAX];
    const slice = items.slice(index * SLICE_RECORDS_MAX, (index + 1) * SLICE_RECORDS_MAX);
    return { slice, nextOffset: next?.offset ?? end };
  });
}

const inTransaction = <T>(
  { postgres }: PartitionsDeps,
  what: string,
  work: (sql: Sql) => Promise<T>,
) =>
  postgres.transaction({ what, deadlineMs: CALL_MS }, async (sql) => ({
    ...{ keep: true, value: await work(sql) },
  }));

/** Again and again, for as long as it takes. @returns undefined when the partition is no longer ours */
async function untilDone<T>(
  { health, repair, random, operation }: PartitionsDeps,
  one: Held,
  name: "store" | "cursor",
  attempt: () => Promise<Result<T, PostgresError>>,
): Promise<T | undefined> {
  const { signal } = one.lost;
  for (let failures = 0; !signal.aborted; failures += 1) {
    const done = await attempt();
    health.note(done.ok ? undefined : done.error);
    operation(name, done.ok);
    if (done.ok) return done.value;
    if (done.error.code === "missing") await repair();
    await sleep(backoffMs(failures, AGAIN, random()), signal);
  }
  return undefined;
}
