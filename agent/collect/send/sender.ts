/**
 * Brings records to Kafka, in the order in which they were put here, one batch at a time. What is not
 * confirmed is tried again for ever; what waits is bounded, so that an outage costs no memory.
 *
 * Invariants (test/agent/collect/send/sender.test.ts):
 *  - a record is never passed by a later one;
 *  - a mark is made when all before it is confirmed, and goes alone;
 *  - a record that Kafka finds too large does not hold up the others: a smaller one goes in its place, or
 *    it is refused.
 */
import type { Clock } from "../../../shared/clock.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { EncodedRecord } from "../../../shared/protocol/cluster-info.ts";
import type { Result } from "../../../shared/result.ts";
import { retry } from "../../../shared/retry.ts";

/** All that waits, and the batch under way. */
export const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;
const BATCH_BYTES_MAX = 512 * 1024;
/** Who finds no room for so long gives up, and lists again when there is. */
const STALL_MS_MAX = 10_000;
const SEND_MS_MAX = 15_000;
const BACKOFF = { baseMs: 200, maxMs: 5000 } as const;
/** Of a record besides key and value: headers, and what is around it in memory. */
const OVERHEAD_BYTES = 256;

export type Topic = "objects" | "events";

export type Job = {
  readonly topic: Topic;
  /** A function: a mark, made when its turn comes. */
  readonly record: EncodedRecord | (() => EncodedRecord);
  readonly confirmed?: () => void;
  /** Kafka found it too large: what goes in its place, if anything. */
  readonly tooLarge?: () => Pick<Job, "record" | "confirmed"> | undefined;
};

export type SenderOptions = {
  readonly send: (
    topic: Topic,
    records: readonly EncodedRecord[],
    call: { readonly deadlineMs: number; readonly signal: AbortSignal },
  ) => Promise<Result<unknown, KafkaError>>;
  readonly clock: Clock;
  readonly produced: (records: number) => void;
  /** Undefined: it works again. */
  readonly failing: (error: KafkaError | undefined) => void;
  readonly signal: AbortSignal;
  readonly stallMs?: number;
};

export type Sender = {
  /** At once where there is room; else it waits for it, and is false when there was none for too long. */
  readonly put: (job: Job) => boolean | Promise<boolean>;
  readonly hasRoom: () => boolean;
  /** Takes it in any case: for what is small. */
  readonly add: (job: Job) => void;
  /** Resolves while Kafka takes what comes, and half of the room is free. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** Resolves when nothing waits, or the signal aborts. */
  readonly flushed: (signal: AbortSignal) => Promise<void>;
  readonly waitingBytes: () => number;
  readonly ended: Promise<void>;
};

type Sized = { readonly job: Job; readonly bytes: number };
type State = {
  readonly queue: Sized[];
  head: number;
  bytes: number;
  isFailing: boolean;
  readonly listeners: Set<() => void>;
};

export function openSender(options: SenderOptions): Sender {
  const { signal, stallMs = STALL_MS_MAX } = options;
  const state: State = { queue: [], head: 0, bytes: 0, isFailing: false, listeners: new Set() };
  const add = (job: Job) => {
    const sized = { job, bytes: bytesOf(job) };
    state.queue.push(sized);
    state.bytes += sized.bytes;
    tell(state);
  };
  const hasRoom = () => state.bytes < IN_FLIGHT_BYTES_MAX;
  const isEased = () => !state.isFailing && state.bytes < IN_FLIGHT_BYTES_MAX / 2;
  const isEmpty = () => state.bytes === 0;
  const putLater = async (job: Job): Promise<boolean> => {
    const late = AbortSignal.any([signal, AbortSignal.timeout(stallMs)]);
    await when(state, hasRoom, late);
    if (!hasRoom() || signal.aborted) return false;
    add(job);
    return true;
  };
  return {
    put: (job) => {
      if (!hasRoom()) return putLater(job);
      add(job);
      return true;
    },
    add,
    hasRoom,
    ready: (until) => when(state, isEased, AbortSignal.any([signal, until])),
    flushed: (until) => when(state, isEmpty, AbortSignal.any([signal, until])),
    waitingBytes: () => state.bytes,
    ended: run(options, state),
  };
}

function tell({ listeners }: State): void {
  for (const listener of [...listeners]) listener();
}

async function when(state: State, isSo: () => boolean, signal: AbortSignal): Promise<void> {
  if (isSo() || signal.aborted) return;
  const settled = Promise.withResolvers<void>();
  const look = () => {
    if (isSo() || signal.aborted) settled.resolve();
  };
  state.listeners.add(look);
  signal.addEventListener("abort", look, { once: true });
  await settled.promise;
  state.listeners.delete(look);
  signal.removeEventListener("abort", look);
}

function bytesOf({ record }: Job): number {
  if (typeof record === "function") return OVERHEAD_BYTES;
  return OVERHEAD_BYTES + record.key.length + Buffer.byteLength(record.value ?? "");
}

async function run(options: SenderOptions, state: State): Promise<void> {
  const { signal } = options;
  while (!signal.aborted) {
    await when(state, () => state.head < state.queue.length, signal);
    if (signal.aborted) return;
    const batch = nextBatch(state);
    await deliver(
      options,
      state,
      batch.map(({ job }) => job),
    );
    if (signal.aborted) return;
    state.bytes -= batch.reduce((sum, { bytes }) => sum + bytes, 0);
    tell(state);
  }
}

/** As many as go together: one topic, and a mark by itself. */
function nextBatch(state: State): readonly Sized[] {
  const batch: Sized[] = [];
  let bytes = 0;
  for (; state.head < state.queue.length; state.head += 1) {
    const next = state.queue[state.head];
    if (next === undefined) break;
    const [first] = batch;
    if (first !== undefined) {
      const isOther = next.job.topic !== first.job.topic || isMark(next.job) || isMark(first.job);
      if (isOther || bytes + next.bytes > BATCH_BYTES_MAX) break;
    }
    batch.push(next);
    bytes += next.bytes;
  }
  if (state.head === state.queue.length || state.head > 10_000) {
    state.queue.splice(0, state.head);
    state.head = 0;
  }
  return batch;
}

const isMark = ({ record }: Pick<Job, "record">): boolean => typeof record === "function";
const made = ({ record }: Pick<Job, "record">): EncodedRecord =>
  typeof record === "function" ? record() : record;

/** Returns when each is confirmed or refused, or the signal aborts. */
async function deliver(options: SenderOptions, state: State, jobs: readonly Job[]): Promise<void> {
  const { signal, clock } = options;
  const [first] = jobs;
  if (first === undefined) return;
  const records = jobs.map(made);
  const policy = {
    ...BACKOFF,
    clock,
    again: ({ code }: KafkaError) => code !== "too-large",
    failed: (error: KafkaError) => become(options, state, error),
  };
  const call = { deadlineMs: SEND_MS_MAX, signal };
  const sent = await retry(() => options.send(first.topic, records, call), policy, signal);
  if (!sent.ok) {
    if (sent.error.code === "too-large") await deliverHalves(options, state, jobs);
    return;
  }
  become(options, state, undefined);
  options.produced(jobs.length);
  for (const { confirmed } of jobs) confirmed?.();
}

async function deliverHalves(
  options: SenderOptions,
  state: State,
  jobs: readonly Job[],
): Promise<void> {
  const [only] = jobs;
  if (jobs.length === 1 && only !== undefined) {
    const instead = only.tooLarge?.();
    if (instead !== undefined) await deliver(options, state, [{ topic: only.topic, ...instead }]);
    return;
  }
  const half = Math.ceil(jobs.length / 2);
  await deliver(options, state, jobs.slice(0, half));
  await deliver(options, state, jobs.slice(half));
}

function become(options: SenderOptions, state: State, error: KafkaError | undefined): void {
  const isFailing = error !== undefined;
  if (isFailing || state.isFailing) options.failing(error);
  state.isFailing = isFailing;
  tell(state);
}
