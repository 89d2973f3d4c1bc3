/** What a term's beginning, the registry's offsets and the ledger's own records mean for the book. Pure. */
import type { LedgerRecord } from "../../shared/protocol/ledger.ts";
import type { Ages } from "./age.ts";
import type { Book } from "./book.ts";
import type { Taken } from "./inbox.ts";

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

/** A lower epoch behind our own record would survive compaction: ours is written again. */
export function heedLedger(
  book: Book,
  record: LedgerRecord,
  epoch: number,
  end: (reason: string) => void,
): void {
  const written = record.kind === "status" ? record.status.epoch : record.applied.epoch;
  if (written > epoch) end(`the ledger has a record of epoch ${written}`);
  if (written >= epoch) return;
  if (record.kind === "applied") book.unsavedApplied.add(record.partition);
  else if (book.fleet.clusters.has(record.status.client_id)) {
    book.unsaved.add(record.status.client_id);
  }
}
