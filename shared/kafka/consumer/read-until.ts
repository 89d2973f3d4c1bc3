/** Reads a topic without following it: until something is found, or up to its present end. */
import { type Call, startDeadline, within } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { type KafkaError, timeoutError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { openConsumer } from "./consumer.ts";
import type { ReadBatch, ReadPosition, ReadProblem } from "./delivery.ts";
import { endOffsets, startOffsets } from "./offsets.ts";

export type Source = { readonly client: KafkaClient; readonly log: KafkaLog };

/** Called with what is read; `found` ends the reading. */
type Reader<T> = {
  readonly deliver: (batch: ReadBatch, found: (value: T) => void) => void;
  readonly problem?: (problem: ReadProblem, found: (value: T) => void) => void;
  /** Where it goes on if an offset is gone: `end` where records of before would be taken for new ones. */
  readonly goesOnAt?: "start" | "end";
};

/** Deadline of one question before it: where the topic begins and ends. */
const OFFSETS_MS_MAX = 10_000;

/**
 * If an offset is gone, it continues at the topic's present start, or where the reader says; if the topic
 * was recreated, at its start. @returns undefined if the deadline comes first
 */
export async function readUntil<T>(
  { client, log }: Source,
  positions: readonly ReadPosition[],
  call: Call,
  reader: Reader<T>,
): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const goesOnAt = reader.goesOnAt ?? "start";
  const consumer = openConsumer({
    client,
    log,
    positions,
    deliver: (batch) => reader.deliver(batch, resolve),
    problem: (problem) => {
      if (problem.kind === "topic-recreated") {
        const again = positions.filter(({ topic }) => topic === problem.topic);
        for (const position of again) consumer.add({ ...position, offset: 0 });
      }
      if (problem.kind === "offset-out-of-range") consumer.add(insideOf(problem, goesOnAt));
      reader.problem?.(problem, resolve);
    },
  });
  const ended = await within(promise, call);
  await consumer.close();
  return ended.kind === "done" ? ended.value : undefined;
}

type OutOfRange = Extract<ReadProblem, { readonly kind: "offset-out-of-range" }>;

const insideOf = (
  { topic, partition, startOffset, endOffset }: OutOfRange,
  at: "start" | "end",
): ReadPosition => ({ topic, partition, offset: at === "start" ? startOffset : endOffset });

/** Calls `take` with every record from `from` (default: the start) up to the present end. */
export async function readToEnd(
  source: Source,
  topic: string,
  call: Call,
  take: (batch: ReadBatch) => void,
  from?: ReadonlyMap<number, number>,
): Promise<Result<null, KafkaError>> {
  const deadline = startDeadline(call);
  const starts = await startOffsets(source.client, topic, deadline.call(OFFSETS_MS_MAX));
  if (!starts.ok) return starts;
  const ends = await endOffsets(source.client, topic, deadline.call(OFFSETS_MS_MAX));
  if (!ends.ok) return ends;
  const [refused] = ends.value.errors.values();
  if (refused !== undefined) return err(refused);
  const open = new Map<number, number>();
  const positions = [...ends.value.offsets].flatMap(([partition, end]) => {
    const start = starts.value.offsets.get(partition) ?? 0;
    const offset = Math.max(start, from?.get(partition) ?? start);
    if (offset >= end) return [];
    open.set(partition, end);
    return [{ topic, partition, offset }];
  });
  if (open.size === 0) return ok(null);
  const read = await readUntil<Result<null, KafkaError>>(source, positions, deadline.call(), {
    deliver: (batch, found) => {
      take(batch);
      if (batch.nextOffset < (open.get(batch.partition) ?? 0)) return;
      open.delete(batch.partition);
      if (open.size === 0) found(ok(null));
    },
    problem: (problem, found) => {
      if (problem.kind === "unreachable") found(err(problem.error));
    },
  });
  return read ?? err(timeoutError(`read ${topic} to its end`, Math.round(call.deadlineMs)));
}
