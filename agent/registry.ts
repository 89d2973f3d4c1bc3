/**
 * Writes our record to the registry, after creating missing topics. Transient failures are retried until
 * the call's deadline. A registration needs only the registry topic.
 */

import { systemClock } from "../shared/clock.ts";
import { type Call, type Deadline, startDeadline } from "../shared/deadline.ts";
import { ensureTopics, type TopicReport } from "../shared/kafka/admin/topics.ts";
import type { OutRecord } from "../shared/kafka/batch/record.ts";
import type { KafkaClient } from "../shared/kafka/cluster/client.ts";
import { type KafkaError, protocolError } from "../shared/kafka/error.ts";
import { kafkaCode } from "../shared/kafka/error-code.ts";
import type { Producer } from "../shared/kafka/producer/producer.ts";
import type { Fields } from "../shared/log.ts";
import { agentTopicPlans, HEARTBEAT, REGISTRY } from "../shared/protocol/topic.ts";
import { err, ok, type Result } from "../shared/result.ts";
import { isTransient, retry } from "../shared/retry.ts";

/** Deadline of one attempt, so that a hung broker leaves time for the next one. */
const ATTEMPT_MS_MAX = 10_000;
/** Time for the topic that a registration does not need; at most half of the attempt. */
const HEARTBEAT_TOPIC_MS_MAX = 3000;
const BACKOFF = { baseMs: 100, maxMs: 2000, clock: systemClock, again: isTransient };
/** TOPIC_PARTITIONS is the control plane's variable; this is its default. */
const HEARTBEAT_PARTITIONS = 6;

const AGENT_TOPICS = agentTopicPlans(HEARTBEAT_PARTITIONS);
const REGISTRY_TOPIC = AGENT_TOPICS.filter(({ name }) => name === REGISTRY);
export const HEARTBEAT_TOPIC = AGENT_TOPICS.filter(({ name }) => name === HEARTBEAT);

export type Kafka = {
  readonly client: KafkaClient;
  readonly producer: Producer;
  readonly warn: (message: string, fields: Fields) => void;
  readonly debug: (message: string, fields: Fields) => void;
};

/** Our record's position, and in which registry. */
export type Published = {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
};

type Answer<T> = Promise<Result<T, KafkaError>>;

/** Retries transient failures; a terminal error or the deadline ends it. */
export const retried = <T>(deadline: Deadline, work: (call: Call) => Answer<T>): Answer<T> =>
  retry(() => work(deadline.call(ATTEMPT_MS_MAX)), { ...BACKOFF, deadline });

/** Creates the registry and the heartbeat topic if they are missing; returns the registry's topic id. */
export async function prepareTopics(kafka: Kafka, call: Call): Answer<string> {
  const deadline = startDeadline(call);
  const registry = await ensureTopics(kafka.client, REGISTRY_TOPIC, deadline.call());
  if (!registry.ok) return registry;
  tell(kafka, registry.value);
  const limitMs = Math.min(HEARTBEAT_TOPIC_MS_MAX, deadline.leftMs() / 2);
  const heartbeat = await prepareHeartbeat(kafka, deadline.call(limitMs));
  if (!heartbeat.ok) {
    const { detail } = heartbeat.error;
    kafka.warn("a topic could not be prepared; the registration goes on", { detail });
  }
  return ok(registry.value[0]?.topicId ?? "");
}

/** An existing topic is left alone, with or without leaders: the beats will show. */
async function prepareHeartbeat(kafka: Kafka, call: Call): Answer<null> {
  const deadline = startDeadline(call);
  const asked = await kafka.client.metadata([HEARTBEAT], deadline.call());
  if (!asked.ok) return asked;
  const isThere = asked.value.topics.some((topic) => topic.partitions.length > 0);
  if (isThere) return ok(null);
  const made = await ensureTopics(kafka.client, HEARTBEAT_TOPIC, deadline.call());
  if (!made.ok) return made;
  tell(kafka, made.value);
  return ok(null);
}

/** Settings that we may not read do not matter here: the control plane checks the topics. */
function tell(kafka: Kafka, reports: readonly TopicReport[]): void {
  for (const { config, warnings } of reports) {
    const say = config === undefined ? kafka.debug : kafka.warn;
    for (const { detail, command } of warnings) say(detail, { mend: command });
  }
}

/** Which registry this is. */
export type RegistryPlace = {
  /** Kafka's own id; undefined: not looked at yet. */
  readonly clusterId: string | null | undefined;
  /** Undefined: there is none. */
  readonly topicId: string | undefined;
};

export async function findRegistryPlace({ client }: Kafka, call: Call): Answer<RegistryPlace> {
  const asked = await client.metadata([REGISTRY], call);
  if (!asked.ok) return asked;
  const { clusterId, topics } = asked.value;
  const topic = topics.find(({ name }) => name === REGISTRY);
  if (topic === undefined || topic.errorCode === kafkaCode("UNKNOWN_TOPIC_OR_PARTITION")) {
    return ok({ clusterId, topicId: undefined });
  }
  if (topic.errorCode === 0) return ok({ clusterId, topicId: topic.topicId });
  const permission = `DESCRIBE on topic ${REGISTRY}`;
  return err(protocolError(topic.errorCode, `look at topic ${REGISTRY}`, permission));
}

/** The registry's topic id, or undefined when there is no registry. */
export async function findRegistry(kafka: Kafka, call: Call): Answer<string | undefined> {
  const place = await findRegistryPlace(kafka, call);
  return place.ok ? ok(place.value.topicId) : place;
}

export async function publish(
  { producer }: Kafka,
  registry: { readonly topicId: string; readonly record: OutRecord },
  call: Call,
): Answer<Published> {
  const sent = await producer.send(REGISTRY, [registry.record], call);
  if (!sent.ok) return sent;
  const [written] = sent.value;
  if (written === undefined) throw new Error("a record was written and has no position");
  return ok({ topicId: registry.topicId, ...written });
}

/** Creates the topics and writes the record, for `agent run`. */
export async function register(kafka: Kafka, record: OutRecord, call: Call): Answer<Published> {
  const deadline = startDeadline(call);
  const topicId = await prepareTopics(kafka, deadline.call());
  if (!topicId.ok) return topicId;
  return publish(kafka, { topicId: topicId.value, record }, deadline.call());
}
