/**
 * Writes records: acks=all, uncompressed, the records of one partition in one batch, in the given order.
 *
 * Invariants: one batch in flight per partition, also across concurrent `send` calls; a record that still
 * waits for its turn when its caller's signal aborts is never written; a transient failure is retried
 * within the deadline. A write whose answer was lost may be repeated, so readers must tolerate the same
 * record twice (ours do: later records of a key win, and ids identify duplicates).
 */

import { systemClock } from "../../clock.ts";
import { type Call, type Deadline, startDeadline } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import { isTransient, retry } from "../../retry.ts";
import { produceRequest } from "../api/produce.ts";
import { encodeBatch, encodeRecord } from "../batch/encode.ts";
import type { OutRecord } from "../batch/record.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { bounded, type KafkaError, protocolError, timeoutError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { partitionFor } from "./partitioner.ts";

/** Below the broker's default message.max.bytes (1,048,588). */
export const BATCH_BYTES_MAX = 900_000;
/** Deadline of one attempt, so that a hung leader leaves time for the next attempt. */
const ATTEMPT_MS_MAX = 5000;
/**
 * The part of an attempt for which the leader waits for the in-sync replicas: its own timeout error says
 * more than ours.
 */
const REPLICA_SHARE = 0.8;
const BACKOFF = { baseMs: 30, maxMs: 1000, clock: systemClock, again: isTransient };

export type Written = { readonly partition: number; readonly offset: number };

export type Producer = {
  /** One entry per record, in the given order. */
  readonly send: (
    topic: string,
    records: readonly OutRecord[],
    call: Call,
  ) => Promise<Result<readonly Written[], KafkaError>>;
};

type Answer<T> = Promise<Result<T, KafkaError>>;
type Placed = { readonly index: number; readonly record: OutRecord };

export function openProducer(options: {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
}): Producer {
  const { client, log } = options;
  /** The last write of each partition: the next one waits for it. */
  const queues = new Map<string, Promise<unknown>>();
  let keyless = 0;

  const inTurn = async (
    key: string,
    deadline: Deadline,
    work: () => Answer<null>,
  ): Answer<null> => {
    const before = queues.get(key) ?? Promise.resolve();
    let left = false;
    const mine = before.then(() => (left || deadline.over() ? undefined : work()));
    const settled = mine.catch(() => undefined);
    queues.set(key, settled);
    const done = settled.then(() => {
      if (queues.get(key) === settled) queues.delete(key);
    });
    const what = `write to ${key}: wait for the write before it`;
    const turn = await bounded(before, deadline.call(), what, () => {
      left = true;
    });
    if (!turn.ok) return turn;
    const outcome = await mine;
    await done;
    return outcome ?? err(timeoutError(what, Math.round(deadline.totalMs)));
  };

  const place = (records: readonly OutRecord[], partitionCount: number) => {
    const found = new Map<number, Placed[]>();
    keyless += 1;
    for (const [index, record] of records.entries()) {
      const byKey =
        record.key === null ? keyless % partitionCount : partitionFor(record.key, partitionCount);
      const partition = record.partition ?? byKey;
      const placed = found.get(partition) ?? [];
      placed.push({ index, record });
      found.set(partition, placed);
    }
    return found;
  };

  const send = async (
    topic: string,
    records: readonly OutRecord[],
    call: Call,
  ): Answer<readonly Written[]> => {
    if (records.length === 0) return ok([]);
    const deadline = startDeadline(call);
    const count = await partitionCountOf(client, topic, records, deadline);
    if (!count.ok) return count;
    const written: Written[] = [];
    const outcomes = await Promise.all(
      [...place(records, count.value)].map(([partition, placed]) =>
        inTurn(`${topic}/${partition}`, deadline, async () => {
          const writeBatch = (batch: Buffer) =>
            produce(client, log, { topic, partition, batch, deadline });
          const note = (index: number, offset: number) => {
            written[index] = { partition, offset };
          };
          for (const chunk of chunksOf(placed)) {
            const outcome = await writeChunk(chunk, writeBatch, note);
            if (!outcome.ok) return outcome;
          }
          return ok(null);
        }),
      ),
    );
    for (const outcome of outcomes) if (!outcome.ok) return outcome;
    return ok(written);
  };

  return { send };
}

/**
 * The topic may accept less than we put into a batch: then the batch is halved, down to the record that is
 * too large by itself.
 */
async function writeChunk(
  chunk: readonly Placed[],
  writeBatch: (batch: Buffer) => Answer<number>,
  note: (index: number, offset: number) => void,
): Answer<null> {
  const encoded = chunk.map(({ record }, delta) => encodeRecord(record, delta));
  const base = await writeBatch(encodeBatch(encoded, Date.now()));
  if (base.ok) {
    for (const [delta, { index }] of chunk.entries()) note(index, base.value + delta);
    return ok(null);
  }
  if (base.error.code !== "too-large" || chunk.length === 1) return base;
  const half = Math.floor(chunk.length / 2);
  const first = await writeChunk(chunk.slice(0, half), writeBatch, note);
  return first.ok ? await writeChunk(chunk.slice(half), writeBatch, note) : first;
}

type Job = {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
  readonly deadline: Deadline;
};

async function produce(client: KafkaClient, log: KafkaLog, job: Job): Answer<number> {
  const { topic, partition, deadline } = job;
  const what = `write to ${topic}/${partition}`;
  const sent = await retry(() => attemptOnce(client, job, what), {
    ...BACKOFF,
    deadline,
    failed: (error, failures) => {
      log("debug", "write is tried again", { topic, partition, failures, detail: error.detail });
      client.forgetTopic(topic);
    },
  });
  const limit = `${what}: not confirmed within ${Math.round(deadline.totalMs)} ms`;
  if (sent.ok || sent.error.retry === "terminal") return sent;
  return err({ ...sent.error, detail: `${limit}; last: ${sent.error.detail}` });
}

async function attemptOnce(client: KafkaClient, job: Job, what: string): Answer<number> {
  const { topic, partition, batch, deadline } = job;
  const leader = await client.leaderOf(topic, partition, deadline.call(ATTEMPT_MS_MAX));
  if (!leader.ok) return leader;
  const call = deadline.call(ATTEMPT_MS_MAX);
  const replicasMs = Math.max(1, Math.ceil(call.deadlineMs * REPLICA_SHARE));
  const request = produceRequest(topic, partition, batch, replicasMs);
  const answer = await client.toBroker(leader.value.node.id, request, call);
  if (!answer.ok) return answer;
  const { errorCode, baseOffset } = answer.value;
  if (errorCode === 0) return ok(baseOffset);
  return err(protocolError(errorCode, what, `WRITE on topic ${topic}`));
}

/** Not needed when each record names its partition. Waits until the deadline for a topic that does not exist yet. */
function partitionCountOf(
  client: KafkaClient,
  topic: string,
  records: readonly OutRecord[],
  deadline: Deadline,
): Answer<number> {
  if (records.every((record) => record.partition !== undefined)) return Promise.resolve(ok(1));
  const failed = () => client.forgetTopic(topic);
  return retry(() => client.partitionCount(topic, deadline.call()), {
    ...BACKOFF,
    deadline,
    failed,
  });
}

/**
 * As few batches as BATCH_BYTES_MAX allows. A larger record gets a batch of its own: the broker decides
 * whether it is too large.
 */
function chunksOf(placed: readonly Placed[]): Placed[][] {
  const chunks: Placed[][] = [];
  let chunk: Placed[] = [];
  let size = 0;
  for (const item of placed) {
    const { length } = encodeRecord(item.record, chunk.length);
    if (chunk.length > 0 && size + length > BATCH_BYTES_MAX) {
      chunks.push(chunk);
      chunk = [];
      size = 0;
    }
    chunk.push(item);
    size += length;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}
