/** What a term's beginning, the registry's offsets and the ledger's own records mean for the book. Pure. */
import type { LedgerRecord } from "../../../shared/protocol/ledger.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Taken } from "../inbox.ts";
import type { Book } from "./leader-state.ts";

/** Everybody starts at age zero: what happened before this term we have not seen. */
export function begin(book: Book, ages: Ages): void {
  const seen = { clock: ages.joint, atMs: 0 };
  for (const cluster of book.fleet.clusters.values()) {
    cluster.seen = seen;
    cluster.beat = undefined;
    if (cluster.worker !== null) book.restarts.set(cluster.clientId, cluster.worker.restarts);
    book.silence.schedule(cluster);
    if (cluster.withdrawal !== "done") book.dirty.add(cluster.clientId);
  }
}

export function applyOffsets(book: Book, taken: Taken, epoch: number): void {
  for (const [partition, offset] of taken.applied) {
    const before = book.fleet.applied.get(partition);
    if (before === undefined || (before.offset === offset && before.epoch === epoch)) continue;
    book.fleet.applied.set(partition, { ...before, offset, epoch });
    book.unsavedApplied.add(partition);
  }
}

/**
 * A record behind our own that is older than it would survive compaction: of a lower epoch, or of ours
 * but held up on its way (a try that was given up, and appended when a hung broker went on). Ours is
 * written again.
 */
export function heedLedger(
  book: Book,
  record: LedgerRecord,
  epoch: number,
  end: (reason: string) => void,
): void {
  const { epoch: written, sequence = 0 } =
    record.kind === "status" ? record.status : record.applied;
  if (written > epoch) end(`the ledger has a record of epoch ${written}`);
  if (written > epoch || (written === epoch && sequence >= book.readSequence)) {
    book.readSequence = Math.max(book.readSequence, sequence);
    return;
  }
  if (record.kind === "applied") book.unsavedApplied.add(record.partition);
  else if (book.fleet.clusters.has(record.status.client_id)) {
    book.unsaved.add(record.status.client_id);
  }
}

/** Partitions that the registry does not have any more: what was judged there is said no longer. */
export function dropPartitions(book: Book, present: readonly number[]): void {
  for (const partition of [...book.fleet.applied.keys()]) {
    if (present.includes(partition)) continue;
    book.fleet.applied.delete(partition);
    book.unsavedApplied.add(partition);
  }
}

/** The registry lost its end: offsets that the ledger knows will be given anew, to other records. */
export function forgetOffsets(book: Book, partition: number): void {
  for (const cluster of book.fleet.clusters.values()) {
    const { topic_id: _, ...registry } = cluster.registry;
    if (registry.partition !== partition || cluster.registry.topic_id === undefined) continue;
    cluster.registry = registry;
    book.unsaved.add(cluster.clientId);
  }
}
