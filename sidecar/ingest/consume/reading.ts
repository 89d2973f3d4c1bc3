/**
 * Reads the topic as one of a group of ingests: who owns which partition is the group's to say, where each goes on the
 * database's. A topic that was made again, or has more partitions, is noticed and begun anew.
 */
import { sleep } from "../../../shared/clock.ts";
import { ensureTopics } from "../../../shared/kafka/admin/topics.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch, ReadProblem } from "../../../shared/kafka/consumer/delivery.ts";
import { assignedPartitions, rangeProtocol } from "../../../shared/kafka/election/assignment.ts";
import type { Generation } from "../../../shared/kafka/election/context.ts";
import { joinMembership } from "../../../shared/kafka/election/membership.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import type { Log } from "../../../shared/log.ts";
import { clusterInfoPlan } from "../../../shared/protocol/topic.ts";
import type { Partitions } from "./partitions.ts";

const SESSION_MS = 10_000;
const REBALANCE_MS = 10_000;
const HEARTBEAT_MS = 2_000;
const COMMIT_MS = 1_000;
const CALL_MS = 5_000;
const MAKE_MS = 30_000;
/** How old our knowledge of the topic's id may be when records are stored under it. */
const TOPIC_AGE_MAX_MS = 1_000;
const LOOK_MS = 500;
const FETCH_WAIT_MS = 200;
const FETCH_BYTES_MAX = 4 * 1024 * 1024;

export type ReadingDeps = {
  readonly client: KafkaClient;
  readonly topic: string;
  /** With which it is made where it is missing. */
  readonly topicPartitions: number;
  readonly groupId: string;
  readonly partitions: (consumer: () => ReturnType<typeof openConsumer>) => Partitions;
  readonly log: Log;
  readonly kafkaLog: KafkaLog;
  readonly monotonicMs: () => number;
  readonly signal: AbortSignal;
};

export type TopicReading = {
  /** Why nothing can be read now; undefined while all is well. */
  readonly trouble: () => string | undefined;
  readonly partitions: () => Partitions;
  readonly close: () => Promise<void>;
};

type Known = { topicId: string; partitionCount: number; seenMs: number };

/** @returns undefined when the signal came before the topic was there */
export async function startReading(deps: ReadingDeps): Promise<TopicReading | undefined> {
  const known = await awaitTopic(deps);
  if (known === undefined) return undefined;
  return read(deps, known);
}

function read(deps: ReadingDeps, known: Known): TopicReading {
  const { client, topic, groupId, log, kafkaLog, signal } = deps;
  let owned: readonly number[] = [];
  let term: Generation | undefined;
  const trouble = new Map<"group" | "topic" | "records", string>();
  const note = (where: "group" | "topic" | "records", error: KafkaError | undefined) => {
    if (error === undefined) trouble.delete(where);
    else if (trouble.get(where) !== error.detail) {
      trouble.set(where, error.detail);
      log.warn("cannot read now; waiting", { error: error.detail });
    }
  };

  const own = () => partitions.own(owned, known.topicId);
  const learn = (topicId: string, partitionCount: number) => {
    const isSame = known.topicId === topicId;
    const isMore = known.partitionCount !== partitionCount;
    Object.assign(known, { topicId, partitionCount, seenMs: deps.monotonicMs() });
    if (!isSame) own();
    if (isMore && membership.ok) membership.value.rejoin();
  };

  const deliver = async (batch: ReadBatch) => {
    if (deps.monotonicMs() - known.seenMs > TOPIC_AGE_MAX_MS) {
      const seen = await lookAt(deps);
      if (seen !== undefined) learn(seen.topicId, seen.partitionCount);
    }
    await partitions.deliver(batch);
  };
  const problem = (what: ReadProblem) => handle(what, { learn, known, partitions, note, log });

  const consumer = openConsumer({
    ...{ client, log: kafkaLog, positions: [], deliver, problem },
    ...{ maxWaitMs: FETCH_WAIT_MS, maxBytes: FETCH_BYTES_MAX },
  });
  const partitions = deps.partitions(() => consumer);
  const membership = joinMembership({
    ...{ client, log: kafkaLog, groupId, topic, sessionTimeoutMs: SESSION_MS, signal },
    ...{ rebalanceTimeoutMs: REBALANCE_MS, heartbeatIntervalMs: HEARTBEAT_MS },
    protocol: rangeProtocol(topic, () => known.partitionCount),
    onAssigned: (generation) => {
      term = generation;
      owned = assignedPartitions(generation.assignment, topic);
      log.info("assigned", { partitions: owned, generation: generation.generation });
      own();
    },
    onLost: (reason) => {
      term = undefined;
      owned = [];
      log.info("partitions lost", { reason });
      own();
    },
    onJoin: (error) => note("group", error),
  });
  const committing = commitNowAndThen(deps, () => term, partitions);

  return {
    trouble: () => [...trouble.values()][0],
    partitions: () => partitions,
    close: async () => {
      await committing;
      await commitNow(term, partitions, log);
      partitions.own([], "");
      if (membership.ok) await membership.value.close();
      await consumer.close();
    },
  };
}

type Handling = {
  readonly learn: (topicId: string, partitionCount: number) => void;
  readonly known: Known;
  readonly partitions: Partitions;
  readonly note: (where: "topic" | "records", error: KafkaError | undefined) => void;
  readonly log: Log;
};

function handle(what: ReadProblem, { learn, known, partitions, note, log }: Handling): void {
  switch (what.kind) {
    case "offset-out-of-range":
      if (what.topicId === known.topicId) {
        void partitions.outOfRange(what.partition, what.offset, what.startOffset);
      } else learn(what.topicId, known.partitionCount);
      return;
    case "topic-recreated":
      log.warn("the topic was made again", { topic: what.topic, topic_id: what.newTopicId });
      note("topic", undefined);
      learn(what.newTopicId, known.partitionCount);
      return;
    case "partition-count-changed":
      log.info("the topic has another number of partitions", { was: what.was, now: what.now });
      learn(known.topicId, what.now);
      return;
    case "topic-missing":
      note("topic", {
        code: "unknown-topic",
        retry: "transient",
        detail: `there is no topic ${what.topic}`,
      });
      return;
    case "unreachable":
      note("records", what.error);
      return;
    case "recovered":
      note("topic", undefined);
      note("records", undefined);
  }
}

/** Makes the topic where it is missing, as agents do; where that is refused, waits for somebody else to. */
async function awaitTopic(deps: ReadingDeps): Promise<Known | undefined> {
  let said: string | undefined;
  while (!deps.signal.aborted) {
    const seen = await lookAt(deps);
    if (seen !== undefined) return { ...seen, seenMs: deps.monotonicMs() };
    const error = await makeTopic(deps);
    if (error === undefined) continue;
    if (error !== said) deps.log.warn("waiting for the topic", { topic: deps.topic, error });
    said = error;
    await sleep(LOOK_MS, deps.signal);
  }
  return undefined;
}

/** @returns why it is not there; undefined when it is */
async function makeTopic(deps: ReadingDeps): Promise<string | undefined> {
  const { client, topic, topicPartitions, log, signal } = deps;
  const plan = clusterInfoPlan(topic, topicPartitions);
  const made = await ensureTopics(client, [plan], { deadlineMs: MAKE_MS, signal });
  if (!made.ok) return made.error.detail;
  for (const { created, partitions } of made.value) {
    if (created) log.info("made a topic", { topic, partitions });
  }
  return undefined;
}

async function lookAt({ client, topic, signal }: ReadingDeps) {
  const asked = await client.metadata([topic], { deadlineMs: CALL_MS, signal });
  const found = asked.ok ? asked.value.topics.find(({ name }) => name === topic) : undefined;
  if (found === undefined || found.errorCode !== 0 || found.partitions.length === 0)
    return undefined;
  return { topicId: found.topicId, partitionCount: found.partitions.length };
}

/** For tools that show the lag; that one is lost does no harm. */
async function commitNow(
  term: Generation | undefined,
  partitions: Partitions,
  log: Log,
): Promise<void> {
  const offsets = partitions.positions();
  if (term === undefined || offsets.length === 0) return;
  const done = await term.commit(offsets, { deadlineMs: CALL_MS });
  if (!done.ok) log.debug("could not commit", { error: done.error.detail });
}

async function commitNowAndThen(
  { log, signal }: ReadingDeps,
  term: () => Generation | undefined,
  partitions: Partitions,
): Promise<void> {
  let last = "";
  while (!signal.aborted) {
    await sleep(COMMIT_MS, signal);
    const now = JSON.stringify(partitions.positions());
    if (now !== last && !signal.aborted) await commitNow(term(), partitions, log);
    last = now;
  }
}
