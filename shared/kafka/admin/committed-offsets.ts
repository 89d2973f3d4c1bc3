/**
 * The committed offsets of many groups at once: one question for their coordinators and one for each of
 * these, in place of two for each group. Kafka answers so from 3.0 on; an older one is asked group by group.
 */
import type { Call } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import type { TopicOffsets } from "../api/group-offsets.ts";
import {
  type CommittedOfGroup,
  coordinatorsRequest,
  groupsOffsetsRequest,
} from "../api/groups-offsets.ts";
import { GROUP_LANE, type KafkaClient } from "../cluster/client.ts";
import { type KafkaError, protocolError } from "../error.ts";
import { allCommittedOffsets } from "./groups.ts";

/** Groups of an older Kafka that are asked for at the same time. */
const ONE_BY_ONE_MAX = 8;

type Committed = Result<readonly TopicOffsets[], KafkaError>;
type Entry = readonly [groupId: string, committed: Committed];

/**
 * Of each group all topics that we may describe; none where it has committed nothing, or is gone. Each
 * question ends at the deadline of `call`.
 */
export async function committedOffsetsOf(
  client: KafkaClient,
  groupIds: readonly string[],
  call: Call,
): Promise<ReadonlyMap<string, Committed>> {
  const found = await client.toAny(coordinatorsRequest(groupIds), call);
  if (!found.ok) return new Map(await unanswered(client, groupIds, found.error, call));
  const lost = found.value.flatMap(({ groupId, errorCode }): Entry[] =>
    errorCode === 0 ? [] : [[groupId, err(refusal(groupId, errorCode))]],
  );
  const placed = found.value.filter(({ errorCode }) => errorCode === 0);
  const asked = [...Map.groupBy(placed, ({ node }) => node)].map(([node, groups]) =>
    askNode(
      client,
      node,
      groups.map(({ groupId }) => groupId),
      call,
    ),
  );
  return new Map([...lost, ...(await Promise.all(asked)).flat()]);
}

async function askNode(
  client: KafkaClient,
  node: number,
  groupIds: readonly string[],
  call: Call,
): Promise<readonly Entry[]> {
  const request = { lane: GROUP_LANE, ...groupsOffsetsRequest(groupIds) };
  const answer = await client.toBroker(node, request, call);
  if (!answer.ok) return await unanswered(client, groupIds, answer.error, call);
  return answer.value.map((group): Entry => [group.groupId, committedOf(group)]);
}

const committedOf = ({ groupId, errorCode, topics }: CommittedOfGroup): Committed =>
  errorCode === 0
    ? ok(topics.filter(({ partitions }) => partitions.length > 0))
    : err(refusal(groupId, errorCode));

const refusal = (groupId: string, errorCode: number): KafkaError =>
  protocolError(
    errorCode,
    `read all committed offsets of group ${groupId}`,
    `DESCRIBE on group ${groupId} and its topics`,
  );

async function unanswered(
  client: KafkaClient,
  groupIds: readonly string[],
  error: KafkaError,
  call: Call,
): Promise<readonly Entry[]> {
  if (error.code !== "unsupported") return groupIds.map((groupId) => [groupId, err(error)]);
  const entries: Entry[] = [];
  for (let from = 0; from < groupIds.length; from += ONE_BY_ONE_MAX) {
    const some = groupIds
      .slice(from, from + ONE_BY_ONE_MAX)
      .map(
        async (groupId): Promise<Entry> => [
          groupId,
          await allCommittedOffsets(client, groupId, call),
        ],
      );
    entries.push(...(await Promise.all(some)));
  }
  return entries;
}
