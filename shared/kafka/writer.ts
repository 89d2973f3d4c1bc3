/**
 * Writes records: acks=all, uncompressed, the records of one partition in one batch, in the given order.
 *
 * Invariants: one batch in flight per partition, also across concurrent `send` calls; a transient failure is retried inside the deadline. A
 * write whose answer was lost may be repeated: readers must bear the same record twice (ours do: later records of a key win, ids tell).
 */

import { backoffMs } from "../backoff.ts";
import { err, ok, type Result } from "../result.ts";
import { encodeBatch, encodeRecord } from "./batch-encoder.ts";
import { type Deadline, pause, startDeadline } from "./deadline.ts";
import { type KafkaError, protocolError, timeoutError } from "./error.ts";
import { partitionFor } from "./partitioner.ts";
import { produceRequest } from "./produce.ts";
import type { OutRecord } from "./record.ts";
import type { Call } from "./request.ts";
import type { KafkaLog, Wire } from "./wire.ts";

/** Below the broker's default message.max.bytes (1,048,588). */
export const BATCH_BYTES_MAX = 900_000;
/** One attempt: a hung leader is left for the next one. */
const ATTEMPT_MS_MAX = 5000;
const BACKOFF = { baseMs: 30, maxMs: 1000, random: Math.random };

export type Written = { readonly partition: number; readonly offset: number };

export type Writer = {
  /** One entry per record, in the given order. */
  readonly send: (
    topic: string,
    records: readonly OutRecord[],
    call: Call,
  ) => Promise<Result<readonly Written[], KafkaError>>;
};

type Answer<T> = Promise<Result<T, KafkaError>>;
type Placed = { readonly index: number; readonly record: OutRecord };
type Chunk = { readonly indexes: readonly number[]; readonly batch: Buffer };

export function openWriter(options: { readonly wire: Wire; readonly log: KafkaLog }): Writer {
  const { wire, log } = options;
  /** The last write of each partition: the next one waits for it. */
  const queues = new Map<string, Promise<unknown>>();
  let keyless = 0;

  const inTurn = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = queues.get(key) ?? Promise.resolve();
    const mine = before.then(work);
    const settled = mine.catch(() => undefined);
    queues.set(key, settled);
    return mine.finally(() => {
      if (queues.get(key) === settled) queues.delete(key);
    });
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
    const count = await partitionCountOf(wire, topic, records, deadline);
    if (!count.ok) return count;
    const written: Written[] = [];
    const outcomes = await Promise.all(
      [...place(records, count.value)].map(([partition, placed]) =>
        inTurn(`${topic}/${partition}`, async (): Answer<null> => {
          for (const { indexes, batch } of chunksOf(placed)) {
            const base = await produce(wire, log, { topic, partition, batch, deadline });
            if (!base.ok) return base;
            for (const [delta, index] of indexes.entries())
              written[index] = { partition, offset: base.value + delta };
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

type Job = {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
  readonly deadline: Deadline;
};

async function produce(wire: Wire, log: KafkaLog, job: Job): Answer<number> {
  const { topic, partition, deadline } = job;
  const what = `write to ${topic}/${partition}`;
  let last = timeoutError(what, Math.round(deadline.totalMs));
  for (let attempt = 0; !deadline.over(); attempt += 1) {
    const answer = await attemptOnce(wire, job, what);
    if (answer.ok) return answer;
    // The deadline's own timeout says less than what went wrong before it.
    if (attempt === 0 || !deadline.over()) last = answer.error;
    if (answer.error.retry === "terminal") return answer;
    log("debug", "write is tried again", {
      topic,
      partition,
      attempt,
      detail: answer.error.detail,
    });
    wire.forgetTopic(topic);
    await pause(backoffMs(attempt, BACKOFF), deadline.call());
  }
  const limit = `${what}: not confirmed within ${Math.round(deadline.totalMs)} ms`;
  return err({ ...last, detail: `${limit}; last: ${last.detail}` });
}

async function attemptOnce(wire: Wire, job: Job, what: string): Answer<number> {
  const { topic, partition, batch, deadline } = job;
  const call = deadline.call(ATTEMPT_MS_MAX);
  const leader = await wire.leaderOf(topic, partition, call);
  if (!leader.ok) return leader;
  const request = produceRequest(topic, partition, batch, Math.max(1, Math.ceil(call.deadlineMs)));
  const answer = await wire.toBroker(leader.value.node.id, request, deadline.call(ATTEMPT_MS_MAX));
  if (!answer.ok) return answer;
  const { errorCode, baseOffset } = answer.value;
  if (errorCode === 0) return ok(baseOffset);
  return err(protocolError(errorCode, what, `WRITE on topic ${topic}`));
}

/** Not asked for when each record names its partition. A topic that is not there yet is waited for until the deadline. */
async function partitionCountOf(
  wire: Wire,
  topic: string,
  records: readonly OutRecord[],
  deadline: Deadline,
): Answer<number> {
  if (records.every((record) => record.partition !== undefined)) return ok(1);
  for (let attempt = 0; ; attempt += 1) {
    const asked = await wire.partitionCount(topic, deadline.call());
    if (asked.ok || asked.error.retry === "terminal") return asked;
    wire.forgetTopic(topic);
    await pause(backoffMs(attempt, BACKOFF), deadline.call());
    if (deadline.over()) return asked;
  }
}

/** As few batches as BATCH_BYTES_MAX allows. A single record beyond it goes alone: the broker says whether it is too large. */
function chunksOf(placed: readonly Placed[]): Chunk[] {
  const chunks: Chunk[] = [];
  let encoded: Buffer[] = [];
  let indexes: number[] = [];
  let size = 0;
  const flush = () => {
    if (encoded.length > 0) chunks.push({ indexes, batch: encodeBatch(encoded, Date.now()) });
    encoded = [];
    indexes = [];
    size = 0;
  };
  for (const { index, record } of placed) {
    let bytes = encodeRecord(record, encoded.length);
    if (encoded.length > 0 && size + bytes.length > BATCH_BYTES_MAX) {
      flush();
      bytes = encodeRecord(record, 0);
    }
    encoded.push(bytes);
    indexes.push(index);
    size += bytes.length;
  }
  flush();
  return chunks;
}
