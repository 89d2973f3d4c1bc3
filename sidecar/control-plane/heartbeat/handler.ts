/** What a term does with the heartbeats that it reads: the fold, the clocks, and what is refused. */
import type { ReadBatch } from "../../../shared/kafka/consumer/consumer.ts";
import type { Log } from "../../../shared/log.ts";
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Inbox } from "../inbox.ts";
import type { QuarantineQueue } from "../record/quarantine.ts";
import type { Sink } from "../recorder.ts";
import { type Book, touch } from "../state/leader-state.ts";
import { type BeatCounts, type BeatDeps, foldBeats } from "./fold.ts";

type HearDeps = {
  readonly deps: {
    readonly inbox: Inbox;
    readonly sink: Sink;
    readonly log: Log;
    readonly quarantine: QuarantineQueue;
    readonly nowMs: () => number;
  };
  readonly book: Book;
  readonly ages: Ages;
  readonly counts: BeatCounts;
  readonly epoch: number;
};

export function heartbeatHandler({
  deps,
  book,
  ages,
  counts,
  epoch,
}: HearDeps): (batch: ReadBatch) => void {
  const { inbox, sink, log } = deps;
  const beats: BeatDeps = {
    fleet: book.fleet,
    ages,
    silence: book.silence,
    counts,
    isOwn: (tick) => tick.epoch === epoch,
    beat: sink.beat,
    changed: (cluster) => {
      touch(book, cluster);
      inbox.wake();
    },
    unregistered: (clientId) => {
      if (book.orphanSince.has(clientId)) {
        book.orphanSince.set(clientId, ages.observedMs(ages.joint));
      }
    },
    refused: (refused) => {
      countRefused(sink, log, "heartbeat", [refused]);
      deps.quarantine.put(refused);
    },
    nowMs: deps.nowMs,
  };
  return (batch) => {
    const advanced = foldBeats(beats, batch);
    if (advanced.size === 0) return;
    inbox.ticked();
    const crossed = book.silence.take([...advanced]);
    if (crossed.length > 0) inbox.crossed(crossed);
    else if (book.held.size > 0) inbox.wake();
  };
}

export function countRefused(
  sink: Sink,
  log: Log,
  topic: "registry" | "heartbeat",
  refused: readonly Refused[],
): void {
  for (const { partition, offset, error } of refused) {
    sink.refused(topic, error.code);
    const fields = { topic, partition, offset, reason: error.code, detail: error.detail };
    if (topic === "registry") log.warn("quarantined a registry record", fields);
    else log.debug("quarantined a heartbeat", fields);
  }
}
