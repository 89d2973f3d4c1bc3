/**
 * Writes what the registry holds of us: the topics when they are absent, then the record. What is
 * transient is tried again until the call's deadline.
 */
import { backoffMs } from "../shared/backoff.ts";
import { type Deadline, pause, startDeadline } from "../shared/kafka/deadline.ts";
import { type KafkaError, protocolError } from "../shared/kafka/error.ts";
import type { OutRecord } from "../shared/kafka/record.ts";
import type { Call } from "../shared/kafka/request.ts";
import { ensureTopics, type TopicReport } from "../shared/kafka/topics.ts";
import type { Wire } from "../shared/kafka/wire.ts";
import type { Writer } from "../shared/kafka/writer.ts";
import type { Fields } from "../shared/log.ts";
import { agentTopicPlans, REGISTRY } from "../shared/protocol/topic.ts";
import { err, ok, type Result } from "../shared/result.ts";

/** One try; a hung broker is left for the next one. */
const ATTEMPT_MS_MAX = 10_000;
const BACKOFF = { baseMs: 100, maxMs: 2000, random: Math.random };
const UNKNOWN_TOPIC_OR_PARTITION = 3;
/** TOPIC_PARTITIONS is the control plane's variable; this is its default. */
const HEARTBEAT_PARTITIONS = 6;

export const AGENT_TOPICS = agentTopicPlans(HEARTBEAT_PARTITIONS);
const REGISTRY_TOPIC = AGENT_TOPICS.filter(({ name }) => name === REGISTRY);

export type Kafka = {
  readonly wire: Wire;
  readonly writer: Writer;
  readonly warn: (message: string, fields: Fields) => void;
};

/** Where our record lies, and in which registry. */
export type Published = {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
};

type Answer<T> = Promise<Result<T, KafkaError>>;

/** Tries again what failed for now; a terminal error ends it, and so does the deadline. */
export async function retried<T>(deadline: Deadline, work: (call: Call) => Answer<T>): Answer<T> {
  for (let attempt = 0; ; attempt += 1) {
    const outcome = await work(deadline.call(ATTEMPT_MS_MAX));
    if (outcome.ok || outcome.error.retry === "terminal" || deadline.over()) return outcome;
    await pause(backoffMs(attempt, BACKOFF), deadline.call());
    // What went wrong says more than a call that had no time left.
    if (deadline.over()) return outcome;
  }
}

/** Makes registry and heartbeat topic when absent; returns the registry's topic id. */
export async function prepareTopics(kafka: Kafka, call: Call): Answer<string> {
  const both = await ensureTopics(kafka.wire, AGENT_TOPICS, call);
  if (both.ok) return ok(tell(kafka, both.value));
  if (both.error.code !== "authorization") return both;
  // A registration needs the registry alone: without the other one only beats will fail.
  const registry = await ensureTopics(kafka.wire, REGISTRY_TOPIC, call);
  if (!registry.ok) return registry;
  kafka.warn("a topic could not be prepared", { detail: both.error.detail });
  return ok(tell(kafka, registry.value));
}

function tell(kafka: Kafka, reports: readonly TopicReport[]): string {
  for (const { warnings } of reports) {
    for (const { detail, command } of warnings) kafka.warn(detail, { mend: command });
  }
  return reports.find(({ name }) => name === REGISTRY)?.topicId ?? "";
}

/** The registry's topic id, or undefined when there is no registry. */
export async function findRegistry({ wire }: Kafka, call: Call): Answer<string | undefined> {
  const asked = await wire.metadata([REGISTRY], call);
  if (!asked.ok) return asked;
  const topic = asked.value.topics.find(({ name }) => name === REGISTRY);
  if (topic === undefined || topic.errorCode === UNKNOWN_TOPIC_OR_PARTITION) return ok(undefined);
  if (topic.errorCode === 0) return ok(topic.topicId);
  const permission = `DESCRIBE on topic ${REGISTRY}`;
  return err(protocolError(topic.errorCode, `look at topic ${REGISTRY}`, permission));
}

export async function publish(
  { writer }: Kafka,
  registry: { readonly topicId: string; readonly record: OutRecord },
  call: Call,
): Answer<Published> {
  const sent = await writer.send(REGISTRY, [registry.record], call);
  if (!sent.ok) return sent;
  const [written] = sent.value;
  if (written === undefined) throw new Error("a record was written and has no place");
  return ok({ topicId: registry.topicId, ...written });
}

/** Topics and record in one go, for `agent run`. */
export async function register(kafka: Kafka, record: OutRecord, call: Call): Answer<Published> {
  const deadline = startDeadline(call);
  const topicId = await prepareTopics(kafka, deadline.call());
  if (!topicId.ok) return topicId;
  return publish(kafka, { topicId: topicId.value, record }, deadline.call());
}
