/** Fetches from one leader for as long as it leads something that is read. */

import { systemClock } from "../../clock.ts";
import { repeat, type Turn } from "../../retry.ts";
import { type FetchedPart, type FetchLimits, fetchRequest } from "../api/fetch.ts";
import { EARLIEST, LATEST, listOffsetsRequest } from "../api/list-offsets.ts";
import { decodeBatches } from "../batch/decode.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import type { KafkaLog } from "../log.ts";
import type { ReadBatch, ReadProblem } from "./delivery.ts";
import type { ConsumerHealth } from "./health.ts";
import { type Entry, leaderSource, type Positions, partitionSource } from "./positions.ts";
import type { TopicWatch } from "./topic-watch.ts";

/** How much longer than the requested wait a live broker may take. */
const FETCH_GRACE_MS = 5000;
const OFFSETS_CALL_MS = 5000;
const PACE = { baseMs: 50, maxMs: 2000, clock: systemClock };

export type FetchLoopOptions = {
  readonly client: KafkaClient;
  readonly lane: string;
  readonly positions: Positions;
  readonly health: ConsumerHealth;
  readonly signal: AbortSignal;
  readonly limits: FetchLimits;
  readonly deliver: (batch: ReadBatch) => Promise<void> | void;
  readonly problem: (problem: ReadProblem) => void;
  readonly topics: TopicWatch;
  /** Asks for metadata now. */
  readonly lookNow: () => void;
  readonly log: KafkaLog;
};

/** @returns the loop of one leader; it ends when there is nothing left to fetch from it */
export function openFetchLoop(options: FetchLoopOptions): (leader: number) => Promise<void> {
  const { positions, signal, health } = options;
  return async (leader) => {
    let turn = 0;
    const fetchNext = async (): Promise<Turn> => {
      const entries = positions.of(leader);
      if (entries.length === 0) return "over";
      const sound = await fetchOnce(options, leader, turned(entries, turn));
      turn += 1;
      if (sound) return "again";
      options.lookNow();
      return "failed";
    };
    await repeat(fetchNext, PACE, signal);
    if (signal.aborted) health.note(leaderSource(leader), undefined);
  };
}

/** @returns false when the broker or a partition had an error: look for leaders, and wait */
async function fetchOnce(
  options: FetchLoopOptions,
  leader: number,
  entries: readonly Entry[],
): Promise<boolean> {
  const { client, limits, signal, health } = options;
  const asked = entries.map((entry) => ({ entry, leader, offset: entry.offset }));
  const request = fetchRequest(entries, limits, options.lane);
  const deadlineMs = limits.maxWaitMs + FETCH_GRACE_MS;
  const answer = await client.toBroker(leader, request, { deadlineMs, signal });
  if (signal.aborted) return true;
  health.note(leaderSource(leader), answer.ok ? undefined : answer.error);
  if (!answer.ok) {
    options.log("debug", "fetch failed", { leader, detail: answer.error.detail });
    return false;
  }
  let sound = true;
  for (const part of answer.value) {
    const of = asked.find(
      ({ entry }) => entry.topic === part.topic && entry.partition === part.partition,
    );
    if (of === undefined) continue;
    const fine = await takePart(options, of, part);
    if (!fine) sound = false;
    if (signal.aborted) return true;
  }
  return sound;
}

/** The positions asked for: the answer of a partition that has moved on meanwhile is dropped. */
type Asked = { readonly entry: Entry; readonly leader: number; readonly offset: number };

function stands({ positions, signal }: FetchLoopOptions, { entry, leader, offset }: Asked) {
  const same = positions.find(entry.topic, entry.partition) === entry;
  return same && entry.leader === leader && entry.offset === offset && !signal.aborted;
}

async function takePart(
  options: FetchLoopOptions,
  asked: Asked,
  part: FetchedPart,
): Promise<boolean> {
  const { health } = options;
  const { entry, offset } = asked;
  const { topic, partition } = entry;
  const source = partitionSource(topic, partition);
  for (let last: unknown; last !== entry.delivered; ) {
    last = entry.delivered;
    await last;
  }
  if (!stands(options, asked)) return true;
  if (part.errorCode === kafkaCode("OFFSET_OUT_OF_RANGE"))
    return await tellOutOfRange(options, asked);
  const what = `read ${topic}/${partition}`;
  if (part.errorCode !== 0) {
    health.note(source, protocolError(part.errorCode, what, `READ on topic ${topic}`));
    return false;
  }
  const { records, corrupt, nextOffset, stalled } = decodeBatches(part.bytes, offset);
  if (stalled !== undefined) {
    const detail = `${what} at offset ${offset}: ${stalled}`;
    health.note(source, { code: "broker", retry: "transient", detail });
    return false;
  }
  health.note(source, undefined);
  if (nextOffset === offset && entry.told) return true;
  const highWatermark = part.highWatermark;
  await hand(options, entry, { topic, partition, records, corrupt, nextOffset, highWatermark });
  return true;
}

/** One at a time per partition. */
async function hand(options: FetchLoopOptions, entry: Entry, batch: ReadBatch): Promise<void> {
  entry.offset = batch.nextOffset;
  entry.told = true;
  const turn = Promise.withResolvers<void>();
  entry.delivered = turn.promise;
  try {
    await options.deliver(batch);
  } finally {
    turn.resolve();
  }
}

/** The partition pauses: the caller decides whether to go on at its start or its end. */
async function tellOutOfRange(options: FetchLoopOptions, of: Asked): Promise<boolean> {
  const { entry, leader, offset } = of;
  const { topic, partition } = entry;
  const call = { deadlineMs: OFFSETS_CALL_MS, signal: options.signal };
  const ask = async (time: typeof EARLIEST | typeof LATEST) => {
    const answer = await options.client.toBroker(
      leader,
      listOffsetsRequest(topic, [partition], time),
      call,
    );
    const row = answer.ok ? answer.value[0] : undefined;
    return row?.errorCode === 0 ? row.offset : undefined;
  };
  // This is the first sign of a recreated topic.
  const asked = await options.client.metadata([topic], call);
  if (asked.ok) options.topics.see(asked.value.topics, [topic]);
  const [startOffset, endOffset] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
  if (startOffset === undefined || endOffset === undefined) return false;
  if (!stands(options, of)) return true;
  entry.paused = true;
  const topicId = options.topics.idOf(topic);
  options.problem({
    kind: "offset-out-of-range",
    topic,
    partition,
    offset,
    startOffset,
    endOffset,
    topicId,
  });
  return true;
}

/** The broker fills its answer in the order of the request, so each time another partition comes first. */
function turned(entries: readonly Entry[], turn: number): readonly Entry[] {
  const start = turn % entries.length;
  return [...entries.slice(start), ...entries.slice(0, start)];
}
