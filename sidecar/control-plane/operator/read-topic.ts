/** Reads a topic's present content once, without following it: for the operator's commands and `--plan`. */

import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import { endOffsets, startOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import { decodeLedger } from "../../../shared/protocol/ledger.ts";
import { STATUS } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { createFleet, type Fleet } from "../fleet/fleet.ts";
import { foldLedger } from "../fleet/ledger.ts";
import { describe } from "../registry/admission.ts";

const CALL = { deadlineMs: 10_000 } as const;
/** A replay of 100,000 clusters takes seconds. */
const READ_MS = 60_000;

type Source = { readonly client: KafkaClient; readonly log: KafkaLog };

/** Calls `take` with every record from `from` (default: the start) up to the present end. */
export async function readToEnd(
  { client, log }: Source,
  topic: string,
  take: (batch: ReadBatch) => void,
  from?: ReadonlyMap<number, number>,
): Promise<Result<null, KafkaError>> {
  const starts = await startOffsets(client, topic, CALL);
  if (!starts.ok) return starts;
  const ends = await endOffsets(client, topic, CALL);
  if (!ends.ok) return ends;
  const [refused] = ends.value.errors.values();
  if (refused !== undefined) return err(refused);
  const open = new Set<number>();
  const positions = [...ends.value.offsets].flatMap(([partition, end]) => {
    const start = starts.value.offsets.get(partition) ?? 0;
    const offset = Math.max(start, from?.get(partition) ?? start);
    if (offset >= end) return [];
    open.add(partition);
    return [{ topic, partition, offset }];
  });
  if (open.size === 0) return ok(null);
  const { promise, resolve } = Promise.withResolvers<Result<null, KafkaError>>();
  const timer = setTimeout(() => resolve(err(tooLong(topic))), READ_MS);
  const consumer = openConsumer({
    client,
    log,
    positions,
    deliver: (batch) => {
      take(batch);
      if (batch.nextOffset < (ends.value.offsets.get(batch.partition) ?? 0)) return;
      open.delete(batch.partition);
      if (open.size === 0) resolve(ok(null));
    },
    problem: (problem) => {
      if (problem.kind === "unreachable") resolve(err(problem.error));
    },
  });
  const done = await promise;
  clearTimeout(timer);
  await consumer.close();
  return done;
}

const tooLong = (topic: string): KafkaError => ({
  code: "timeout",
  retry: "transient",
  detail: `reading ${topic} to its end: not done within ${READ_MS} ms`,
});

/** The present ledger, folded; empty if no control plane has created one yet. */
export async function readLedger(source: Source): Promise<Result<Fleet, KafkaError>> {
  const fleet = createFleet();
  const read = await readToEnd(source, STATUS, ({ records }) => {
    for (const { key, value } of records) {
      const entry = decodeLedger(key, value);
      if (entry.ok) foldLedger(fleet, entry.value, describe);
    }
  });
  return read.ok || read.error.code === "unknown-topic" ? ok(fleet) : read;
}
