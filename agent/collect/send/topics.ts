/** The topics that are written: made when they are not there, and looked at again while we write. */
import { ensureTopics, type TopicReport } from "../../../shared/kafka/admin/topics.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { partitionFor } from "../../../shared/kafka/producer/partitioner.ts";
import type { Log } from "../../../shared/log.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { clusterEventsPlan, clusterInfoPlan } from "../../../shared/protocol/topic.ts";
import { ok, type Result } from "../../../shared/result.ts";
import type { Topic } from "./sender.ts";

const MAKE_MS_MAX = 30_000;
const LOOK_MS_MAX = 10_000;

export type TopicNames = {
  readonly objects: string;
  /** Undefined: no events are collected. */
  readonly events: string | undefined;
  /** Of each that is missing. */
  readonly partitions: number;
};

/** One topic as a life knows it. */
export type TopicPlace = {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
  /** Where the records of this client id go. */
  readonly partition: number;
};
export type Places = Readonly<Record<Topic, TopicPlace | undefined>>;

type Answer<T> = Promise<Result<T, KafkaError>>;

export async function prepareTopics(
  client: KafkaClient,
  names: TopicNames,
  clientId: ClientId,
  options: { readonly log: Log; readonly signal: AbortSignal },
): Answer<Places> {
  const plans = [
    clusterInfoPlan(names.objects, names.partitions),
    ...(names.events === undefined ? [] : [clusterEventsPlan(names.events, names.partitions)]),
  ];
  const { log, signal } = options;
  const reports = await ensureTopics(client, plans, { deadlineMs: MAKE_MS_MAX, signal });
  if (!reports.ok) return reports;
  for (const { name, created, partitions, warnings } of reports.value) {
    if (created) log.info("made a topic", { topic: name, partitions });
    for (const { detail, command } of warnings) {
      log.warn(`topic ${name}: ${detail}`, { topic: name, mend_with: command });
    }
  }
  const [objects, events] = reports.value;
  const placeOf = (report: TopicReport | undefined): TopicPlace | undefined =>
    report === undefined
      ? undefined
      : {
          name: report.name,
          topicId: report.topicId,
          partitions: report.partitions,
          partition: partitionFor(clientId, report.partitions),
        };
  return ok({ objects: placeOf(objects), events: placeOf(events) });
}

/** Why what was known of the topics is so no more; undefined while it is, or while nobody can say. */
export async function topicChange(
  client: KafkaClient,
  places: Places,
  signal: AbortSignal,
): Promise<string | undefined> {
  const known = [places.objects, places.events].flatMap((place) => place ?? []);
  const names = known.map(({ name }) => name);
  const asked = await client.metadata(names, { deadlineMs: LOOK_MS_MAX, signal });
  if (!asked.ok) return undefined;
  for (const place of known) {
    const topic = asked.value.topics.find(({ name }) => name === place.name);
    if (topic === undefined || topic.errorCode !== 0) continue;
    if (topic.topicId !== place.topicId) return `topic ${place.name} was made again`;
    const { length } = topic.partitions;
    if (length !== place.partitions) {
      return `topic ${place.name} has ${length} partitions, not ${place.partitions} any more`;
    }
  }
  return undefined;
}
