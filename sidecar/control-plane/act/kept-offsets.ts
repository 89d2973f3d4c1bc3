/**
 * The offsets of a dead cluster's group. Kafka forgets them `offsets.retention.minutes` (7 days) after the
 * group's last member left, and a commit from outside does not extend that (tested). So they are read when
 * the worker has been stopped, kept in the ledger, and committed again before the next start, only if the
 * group is gone. A topic is recognised by its id. Without ids nothing is kept or committed again, because
 * an old offset would skip the records of a recreated topic.
 */

import { type Call, startDeadline } from "../../../shared/deadline.ts";
import { committedOffsetsOf } from "../../../shared/kafka/admin/committed-offsets.ts";
import {
  allCommittedOffsets,
  commitOffsets,
  describeGroup,
} from "../../../shared/kafka/admin/groups.ts";
import type { TopicOffsets } from "../../../shared/kafka/api/group-offsets.ts";
import { NIL_TOPIC_ID, type TopicMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import {
  endOffsets,
  type PartitionOffsets,
  startOffsets,
} from "../../../shared/kafka/consumer/offsets.ts";
import { type KafkaError, protocolError } from "../../../shared/kafka/error.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";
import type { KeptOffsets } from "../../../shared/protocol/ledger-facts.ts";
import { err, ok, type Result } from "../../../shared/result.ts";

/** Limit in the ledger's record, besides the registration and its headers. */
const KEPT_CHARS_MAX = 200_000;

type Answer<T> = Promise<Result<T, KafkaError>>;

type Committed = Result<readonly TopicOffsets[], KafkaError>;

/** For each group: every topic that we may describe, with its id. Each request ends at the deadline of `call`. */
export async function readOffsets(
  client: KafkaClient,
  groupIds: readonly string[],
  nowMs: number,
  call: Call,
): Promise<ReadonlyMap<string, Result<KeptOffsets, KafkaError>>> {
  const committed = await committedOffsetsOf(client, groupIds, call);
  const names = [...committed.values()].flatMap((read) =>
    read.ok ? read.value.map(({ topic }) => topic) : [],
  );
  const known = await lookUp(client, [...new Set(names)], call);
  const nothing: KeptOffsets = { read_at: new Date(nowMs).toISOString(), topics: [] };
  return new Map(
    groupIds.map((groupId) => {
      const read = committed.get(groupId) ?? err(unsaid(groupId));
      return [groupId, keptOf(groupId, nothing, read, known)];
    }),
  );
}

const unsaid = (groupId: string): KafkaError => ({
  code: "broker",
  retry: "transient",
  detail: `Kafka answered without the offsets of group ${groupId}, which it was asked for`,
});

function keptOf(
  groupId: string,
  nothing: KeptOffsets,
  committed: Committed,
  known: Looked,
): Result<KeptOffsets, KafkaError> {
  if (!committed.ok) return committed;
  const ids = idsOf(committed.value, known);
  if (!ids.ok) return ids;
  const topics = committed.value.flatMap(({ topic, partitions }) => {
    const id = ids.value.get(topic);
    const pairs = partitions.map(({ partition, offset }): [number, number] => [partition, offset]);
    return id === undefined ? [] : [{ topic, topic_id: id, partitions: pairs }];
  });
  if (topics.length === 0) return ok(nothing);
  const { length } = JSON.stringify(topics);
  return length > KEPT_CHARS_MAX ? err(tooLong(groupId, length)) : ok({ ...nothing, topics });
}

const tooLong = (group: string, length: number): KafkaError => ({
  code: "too-large",
  retry: "terminal",
  detail: `the offsets of group ${group} take ${length} characters, at most ${KEPT_CHARS_MAX} are kept`,
});

const noId = (topic: string): KafkaError => ({
  code: "unsupported",
  retry: "terminal",
  detail:
    `topic ${topic} has no id by which a recreated one could be recognised: Kafka gives ids ` +
    "from inter.broker.protocol.version 2.8 on",
});

type Ids = ReadonlyMap<string, Result<string, KafkaError>>;
/** By topic, without those that do not exist; an error if Kafka did not answer. */
type Looked = Result<Ids, KafkaError>;

async function lookUp(client: KafkaClient, topics: readonly string[], call: Call): Promise<Looked> {
  if (topics.length === 0) return ok(new Map());
  const metadata = await client.metadata(topics, call);
  if (!metadata.ok) return metadata;
  const unknown = kafkaCode("UNKNOWN_TOPIC_OR_PARTITION");
  const existing = metadata.value.topics.filter(({ errorCode }) => errorCode !== unknown);
  return ok(new Map(existing.map((topic) => [topic.name, idOf(topic)])));
}

function idOf({ name, topicId, errorCode }: TopicMetadata): Result<string, KafkaError> {
  if (errorCode !== 0) {
    return err(protocolError(errorCode, `look at topic ${name}`, `DESCRIBE on topic ${name}`));
  }
  return topicId === NIL_TOPIC_ID ? err(noId(name)) : ok(topicId);
}

/** Those that exist; an error if one of them cannot be described. */
function idsOf(
  topics: readonly { readonly topic: string }[],
  known: Looked,
): Result<ReadonlyMap<string, string>, KafkaError> {
  if (!known.ok) return topics.length === 0 ? ok(new Map()) : known;
  const ids = new Map<string, string>();
  for (const { topic } of topics) {
    const id = known.value.get(topic);
    if (id?.ok === false) return id;
    if (id !== undefined) ids.set(topic, id.value);
  }
  return ok(ids);
}

/** How many partitions got their offset back; if none, why. */
export type PutBack = { readonly partitions: number; readonly detail: string };

/** Called before a start. An error is reported, and never delays the start. */
export async function putBackOffsets(
  client: KafkaClient,
  group: string,
  kept: KeptOffsets,
  call: Call,
): Answer<PutBack> {
  if (kept.topics.length === 0) return ok({ partitions: 0, detail: "nothing was committed" });
  const deadline = startDeadline(call);
  const described = await describeGroup(client, group, deadline.call());
  if (!described.ok) return described;
  const committed = await allCommittedOffsets(client, group, deadline.call());
  if (!committed.ok) return committed;
  if (described.value.state !== "Dead" || committed.value.length > 0) {
    return ok({ partitions: 0, detail: "the group is still there" });
  }
  const names = kept.topics.map(({ topic }) => topic);
  const ids = idsOf(kept.topics, await lookUp(client, names, deadline.call()));
  if (!ids.ok) return ids;
  const same = kept.topics.filter(({ topic, topic_id: id }) => ids.value.get(topic) === id);
  const topics: TopicOffsets[] = [];
  for (const { topic, partitions } of same) {
    const starts = await startOffsets(client, topic, deadline.call());
    if (!starts.ok) return starts;
    const ends = await endOffsets(client, topic, deadline.call());
    if (!ends.ok) return ends;
    topics.push({ topic, partitions: clamped(partitions, starts.value, ends.value) });
  }
  const some = topics.filter(({ partitions }) => partitions.length > 0);
  if (some.length === 0) return ok({ partitions: 0, detail: "its topics were recreated" });
  const done = await commitOffsets(client, group, some, deadline.call());
  if (!done.ok) return done;
  const count = some.reduce((sum, { partitions }) => sum + partitions.length, 0);
  return ok({ partitions: count, detail: `as of ${kept.read_at}` });
}

/** Limits offsets to what the log has now; a partition whose ends are not known is left out. */
export function clamped(
  kept: KeptOffsets["topics"][number]["partitions"],
  starts: Pick<PartitionOffsets, "offsets">,
  ends: Pick<PartitionOffsets, "offsets">,
): TopicOffsets["partitions"] {
  return kept.flatMap(([partition, offset]) => {
    const start = starts.offsets.get(partition);
    const end = ends.offsets.get(partition);
    if (start === undefined || end === undefined) return [];
    return [{ partition, offset: Math.min(Math.max(offset, start), end) }];
  });
}
