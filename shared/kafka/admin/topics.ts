/** Creates missing topics, and checks existing ones without ever changing them. */

import { systemClock } from "../../clock.ts";
import { type Call, type Deadline, startDeadline } from "../../deadline.ts";
import { err, flatten, ok, type Result } from "../../result.ts";
import { ALWAYS, isTransient, retry } from "../../retry.ts";
import { type CreatedTopic, createTopicsRequest } from "../api/create-topics.ts";
import type { ClusterMetadata, TopicMetadata } from "../api/metadata.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { type KafkaError, protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import { describeTopicConfigs, type TopicConfig } from "./topic-configs.ts";

const REPLICATION_MAX = 3;
const NO_LEADER = -1;
const BACKOFF = { baseMs: 50, maxMs: 500, clock: systemClock, again: isTransient };

export type TopicSpec = {
  readonly name: string;
  readonly partitions: number;
  readonly config: TopicConfig;
  /** What is harmful about a topic that exists; undefined when nothing is. */
  readonly harmful?: (config: TopicConfig, partitions: number) => string | undefined;
};

export type TopicWarning = {
  readonly detail: string;
  /** The command that fixes it, for a person to run. */
  readonly command: string;
};

export type TopicReport = {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly created: boolean;
  /** undefined: it could not be read (a warning says why). */
  readonly config: TopicConfig | undefined;
  readonly warnings: readonly TopicWarning[];
};

type Answer<T> = Promise<Result<T, KafkaError>>;

/** One report per spec, in the same order, once each topic has its leaders. */
export async function ensureTopics(
  client: KafkaClient,
  specs: readonly TopicSpec[],
  call: Call,
): Answer<readonly TopicReport[]> {
  const deadline = startDeadline(call);
  const names = specs.map(({ name }) => name);
  const before = await client.metadata(names, deadline.call());
  if (!before.ok) return before;
  const refused = firstRefusal(before.value);
  if (refused !== undefined) return err(refused);
  const there = new Set(before.value.topics.filter(exists).map(({ name }) => name));
  const absent = specs.filter(({ name }) => !there.has(name));
  const created = await createAbsent(client, absent, before.value.brokers.length, deadline);
  if (!created.ok) return created;
  const after = await waitForLeaders(client, names, deadline);
  if (!after.ok) return after;
  const configs = await describeTopicConfigs(client, names, deadline.call());
  const brokers = before.value.brokers.map(({ id }) => id);
  const reports = specs.map((spec) => {
    const topic = after.value.find(({ name }) => name === spec.name);
    const config = configs.ok ? configs.value.get(spec.name) : configs;
    const made = created.value.has(spec.name);
    const few = made || topic === undefined ? undefined : fewReplicas(topic, brokers);
    return report(spec, topic, made, config, few);
  });
  return ok(reports);
}

function exists(topic: TopicMetadata): boolean {
  return topic.errorCode === 0 || topic.partitions.length > 0;
}

function firstRefusal(cluster: ClusterMetadata): KafkaError | undefined {
  const errors = cluster.topics.map(({ name, errorCode }) =>
    protocolError(errorCode, `look at topic ${name}`, `DESCRIBE on topic ${name}`),
  );
  return errors.find(({ code }) => code === "authorization" || code === "invalid");
}

/** @returns the names of the topics that we created: another process may have been quicker */
async function createAbsent(
  client: KafkaClient,
  absent: readonly TopicSpec[],
  brokers: number,
  deadline: Deadline,
): Answer<ReadonlySet<string>> {
  const made = new Set<string>();
  const replication = wantedReplicas(brokers);
  let left = absent;
  const createLeft = async (): Answer<Result<null, KafkaError>> => {
    const topics = left.map(({ name, partitions, config }) => ({
      name,
      partitions,
      config,
      replication,
    }));
    const timeoutMs = Math.max(1, Math.floor(deadline.leftMs()));
    const answer = await client.toAny(createTopicsRequest(topics, timeoutMs), deadline.call());
    if (!answer.ok) return ok(answer);
    for (const { name, errorCode } of answer.value) if (errorCode === 0) made.add(name);
    const errors = new Map(answer.value.flatMap(createError));
    left = left.filter(({ name }) => errors.has(name));
    const found = [...errors.values()];
    const error = found.find((each) => each.retry === "terminal") ?? found[0];
    return error === undefined ? ok(ok(null)) : err(error);
  };
  if (left.length === 0) return ok(made);
  const created = flatten(await retry(createLeft, { ...BACKOFF, deadline }));
  return created.ok ? ok(made) : created;
}

/** No error when it was created, or exists already: another process may have been quicker. */
function createError({ name, errorCode, message }: CreatedTopic): [string, KafkaError][] {
  if (errorCode === 0) return [];
  const permission = `CREATE on topic ${name}`;
  const error = protocolError(errorCode, `create topic ${name}`, permission, message);
  return error.code === "topic-exists" ? [] : [[name, error]];
}

async function waitForLeaders(
  client: KafkaClient,
  names: readonly string[],
  deadline: Deadline,
): Answer<readonly TopicMetadata[]> {
  const limit = `wait ${Math.round(deadline.totalMs)} ms for the leaders of topic`;
  const look = async (): Answer<Result<readonly TopicMetadata[], KafkaError>> => {
    const asked = await client.metadata(names, deadline.call());
    if (!asked.ok) return ok(asked);
    const waiting = asked.value.topics.find((topic) => !hasLeaders(topic));
    if (waiting === undefined) return ok(ok(asked.value.topics));
    const errorCode =
      waiting.errorCode === 0 ? kafkaCode("LEADER_NOT_AVAILABLE") : waiting.errorCode;
    return err(protocolError(errorCode, `${limit} ${waiting.name}`));
  };
  return flatten(await retry(look, { ...BACKOFF, deadline, again: ALWAYS }));
}

function hasLeaders(topic: TopicMetadata): boolean {
  const led = topic.partitions.every(({ leader }) => leader !== NO_LEADER);
  return topic.errorCode === 0 && topic.partitions.length > 0 && led;
}

function report(
  spec: TopicSpec,
  topic: TopicMetadata | undefined,
  created: boolean,
  found: Result<TopicConfig, KafkaError> | undefined,
  few: TopicWarning | undefined,
): TopicReport {
  const partitions = topic?.partitions.length ?? 0;
  const config = found?.ok === true ? found.value : undefined;
  const warnings: TopicWarning[] = [];
  if (found?.ok === false)
    warnings.push({ detail: found.error.detail, command: aclCommand(spec.name) });
  const harm = config === undefined || created ? undefined : spec.harmful?.(config, partitions);
  if (harm !== undefined && config !== undefined)
    warnings.push({
      detail: `topic ${spec.name}: ${harm}`,
      command: mendCommand(spec, config, partitions),
    });
  if (few !== undefined) warnings.push(few);
  return { name: spec.name, topicId: topic?.topicId ?? "", partitions, created, config, warnings };
}

function mendCommand(spec: TopicSpec, config: TopicConfig, partitions: number): string {
  const { name } = spec;
  const wrong = Object.entries(spec.config).filter(([key, value]) => config[key] !== value);
  if (wrong.length > 0) {
    // kafka-configs.sh splits at commas: a list goes in brackets.
    const settings = wrong.map(
      ([key, value]) => `${key}=${value.includes(",") ? `[${value}]` : value}`,
    );
    return `kafka-configs.sh --bootstrap-server <broker> --alter --entity-type topics --entity-name ${name} --add-config ${settings.join(",")}`;
  }
  if (partitions < spec.partitions)
    return `kafka-topics.sh --bootstrap-server <broker> --alter --topic ${name} --partitions ${spec.partitions}`;
  return `kafka-topics.sh --bootstrap-server <broker> --describe --topic ${name}`;
}

function aclCommand(name: string): string {
  return `kafka-acls.sh --bootstrap-server <broker> --add --allow-principal User:<us> --operation DescribeConfigs --topic ${name}`;
}

/** How many replicas a topic of ours should have. */
function wantedReplicas(brokers: number): number {
  return Math.max(1, Math.min(brokers, REPLICATION_MAX));
}

/** @param brokers the ids of the live brokers */
export function fewReplicas(
  { name, partitions }: TopicMetadata,
  brokers: readonly number[],
): TopicWarning | undefined {
  const wanted = wantedReplicas(brokers.length);
  const few = partitions.filter(({ replicas }) => replicas.length < wanted);
  if (few.length === 0) return undefined;
  const least = Math.min(...few.map(({ replicas }) => replicas.length));
  const sorted = [...brokers].toSorted((a, b) => a - b);
  const plan = few.map(({ partition, replicas }) => {
    const start = partition % sorted.length;
    const turned = [...sorted.slice(start), ...sorted.slice(0, start)];
    const more = turned.filter((id) => !replicas.includes(id));
    return { topic: name, partition, replicas: [...replicas, ...more].slice(0, wanted) };
  });
  const json = JSON.stringify({ version: 1, partitions: plan });
  return {
    detail: `topic ${name}: ${few.length} of ${partitions.length} partitions have fewer than ${wanted} replicas, one has ${least}: a broker that is lost takes the topic with it`,
    command: `echo '${json}' > replicas.json && kafka-reassign-partitions.sh --bootstrap-server <broker> --reassignment-json-file replicas.json --execute`,
  };
}
