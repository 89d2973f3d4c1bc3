/**
 * Where partitions begin and end. A partition that cannot be asked, such as one without a leader, is an
 * entry of `errors`; the others still count.
 */

import { type Call, startDeadline } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import { EARLIEST, LATEST, listOffsetsRequest } from "../api/list-offsets.ts";
import type { TopicMetadata } from "../api/metadata.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { type KafkaError, protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";

export type PartitionOffsets = {
  readonly offsets: ReadonlyMap<number, number>;
  readonly errors: ReadonlyMap<number, KafkaError>;
};

type Answer = Promise<Result<PartitionOffsets, KafkaError>>;

/** The high watermark of each partition: the offset that the next record will get. */
export function endOffsets(client: KafkaClient, topic: string, call: Call): Answer {
  return offsetsAt(client, topic, LATEST, call);
}

/** The end of partition 0; undefined when there is no such topic. */
export async function firstEnd(
  client: KafkaClient,
  topic: string,
  call: Call,
): Promise<Result<number | undefined, KafkaError>> {
  const found = await endOffsets(client, topic, call);
  if (!found.ok) return found.error.code === "unknown-topic" ? ok(undefined) : found;
  const failure = found.value.errors.get(0);
  return failure === undefined ? ok(found.value.offsets.get(0)) : err(failure);
}

/** The first offset that each partition still has. */
export function startOffsets(client: KafkaClient, topic: string, call: Call): Answer {
  return offsetsAt(client, topic, EARLIEST, call);
}

async function offsetsAt(
  client: KafkaClient,
  topic: string,
  time: typeof LATEST | typeof EARLIEST,
  call: Call,
): Answer {
  const deadline = startDeadline(call);
  const asked = await client.metadata([topic], deadline.call());
  if (!asked.ok) return asked;
  const found = asked.value.topics.find((item) => item.name === topic);
  const what = `read the offsets of topic ${topic}`;
  const permission = `DESCRIBE on topic ${topic}`;
  if (found === undefined || found.errorCode !== 0)
    return err(
      protocolError(found?.errorCode ?? kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"), what, permission),
    );
  const offsets = new Map<number, number>();
  const errors = new Map<number, KafkaError>();
  const byLeader = partitionsByLeader(found);
  for (const partition of byLeader.get(-1) ?? [])
    errors.set(partition, protocolError(kafkaCode("LEADER_NOT_AVAILABLE"), what));
  byLeader.delete(-1);
  await Promise.all(
    [...byLeader].map(async ([leader, partitions]) => {
      const request = listOffsetsRequest(topic, partitions, time);
      const answer = await client.toBroker(leader, request, deadline.call());
      if (!answer.ok) for (const partition of partitions) errors.set(partition, answer.error);
      else
        for (const { partition, errorCode, offset } of answer.value)
          if (errorCode === 0) offsets.set(partition, offset);
          else errors.set(partition, protocolError(errorCode, what, permission));
    }),
  );
  return ok({ offsets, errors });
}

function partitionsByLeader(topic: TopicMetadata): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const { leader, partition } of topic.partitions) {
    const partitions = found.get(leader) ?? [];
    partitions.push(partition);
    found.set(leader, partitions);
  }
  return found;
}
