/** Consumer groups of other programs: reads, writes and deletes their committed offsets. */

import { systemClock } from "../../clock.ts";
import { type Call, startDeadline } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import { retry } from "../../retry.ts";
import { groupOperationsRequest } from "../api/authorized-operations.ts";
import { type DescribedGroup, describeGroupRequest } from "../api/describe-groups.ts";
import {
  allOffsetsRequest,
  commitOffsetsRequest,
  type TopicOffsets,
} from "../api/group-offsets.ts";
import type { KafkaRequest } from "../api/request.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { type KafkaError, protocolError } from "../error.ts";

const BACKOFF = { baseMs: 50, maxMs: 1000, clock: systemClock };

type Answer<T> = Promise<Result<T, KafkaError>>;

/** A group that is not there counts as deleted. `group-not-empty` while it has a member. */
export async function deleteGroup(client: KafkaClient, groupId: string, call: Call): Answer<null> {
  const what = `delete group ${groupId}`;
  const answer = await askCoordinator(client, groupId, deleteRequest(groupId), call, (errorCode) =>
    protocolError(errorCode, what, `DELETE on group ${groupId}`),
  );
  if (answer.ok || answer.error.code === "group-not-found") return ok(null);
  return answer;
}

/** How many members a group has; 0 if there is no such group. */
export async function memberCount(
  client: KafkaClient,
  groupId: string,
  call: Call,
): Answer<number> {
  const request = groupOperationsRequest(groupId);
  const answer = await askCoordinator(client, groupId, request, call, (errorCode) =>
    protocolError(errorCode, `look at group ${groupId}`, `DESCRIBE on group ${groupId}`),
  );
  if (answer.ok) return ok(answer.value.members);
  return answer.error.code === "group-not-found" ? ok(0) : answer;
}

/** Partitions without a committed offset are absent from the map. */
export async function committedOffsets(
  client: KafkaClient,
  groupId: string,
  topic: string,
  partitions: readonly number[],
  call: Call,
): Answer<ReadonlyMap<number, number>> {
  const what = `read the committed offsets of group ${groupId}`;
  const permission = `DESCRIBE on group ${groupId} and topic ${topic}`;
  const request = fetchOffsetsRequest(groupId, topic, partitions);
  const answer = await askCoordinator(client, groupId, request, call, (errorCode) =>
    protocolError(errorCode, what, permission),
  );
  if (!answer.ok) return answer;
  const { rows } = answer.value;
  const failed = rows.find((row) => row.errorCode !== 0);
  if (failed !== undefined) return err(protocolError(failed.errorCode, what, permission));
  return ok(new Map(rows.flatMap((row) => (row.offset < 0 ? [] : [[row.partition, row.offset]]))));
}

/** All topics of the group that we may describe; none if it has committed nothing, or is gone. */
export async function allCommittedOffsets(
  client: KafkaClient,
  groupId: string,
  call: Call,
): Answer<readonly TopicOffsets[]> {
  const what = `read all committed offsets of group ${groupId}`;
  const answer = await askCoordinator(
    client,
    groupId,
    allOffsetsRequest(groupId),
    call,
    (errorCode) => protocolError(errorCode, what, `DESCRIBE on group ${groupId} and its topics`),
  );
  if (!answer.ok) return answer;
  return ok(answer.value.topics.filter(({ partitions }) => partitions.length > 0));
}

/** Refused (`fenced`) while the group has a member. */
export async function commitOffsets(
  client: KafkaClient,
  groupId: string,
  topics: readonly TopicOffsets[],
  call: Call,
): Answer<null> {
  const names = topics.map(({ topic }) => topic).join(", ");
  const permission = `READ on group ${groupId} and on topic ${names}`;
  const request = commitOffsetsRequest(groupId, topics);
  const answer = await askCoordinator(client, groupId, request, call, (errorCode) =>
    protocolError(errorCode, `put back the offsets of group ${groupId}`, permission),
  );
  return answer.ok ? ok(null) : answer;
}

/** A group that is not there is `Dead`, without members. */
export async function describeGroup(
  client: KafkaClient,
  groupId: string,
  call: Call,
): Answer<Pick<DescribedGroup, "state" | "members">> {
  const request = describeGroupRequest(groupId);
  const answer = await askCoordinator(client, groupId, request, call, (errorCode) =>
    protocolError(errorCode, `look at group ${groupId}`, `DESCRIBE on group ${groupId}`),
  );
  if (answer.ok || answer.error.code !== "group-not-found") return answer;
  return ok({ state: "Dead", members: [] });
}

/** Asks again, within the deadline, while the coordinator moves or loads. */
function askCoordinator<T extends { readonly errorCode: number }>(
  client: KafkaClient,
  groupId: string,
  request: KafkaRequest<T>,
  call: Call,
  errorOf: (errorCode: number) => KafkaError,
): Answer<T> {
  const deadline = startDeadline(call);
  const once = async (): Answer<T> => {
    const answer = await client.toCoordinator(groupId, request, deadline.call());
    if (!answer.ok || answer.value.errorCode === 0) return answer;
    return err(errorOf(answer.value.errorCode));
  };
  return retry(once, {
    ...BACKOFF,
    deadline,
    again: ({ code }) => code === "not-coordinator" || code === "unreachable",
    failed: () => client.forgetCoordinator(groupId),
  });
}

/** DeleteGroups (API 42, versions 0 and 1). */
function deleteRequest(groupId: string): KafkaRequest<{ readonly errorCode: number }> {
  return {
    apiKey: 42,
    apiName: "DeleteGroups",
    versions: { min: 0, max: 1 },
    throttle: { at: "start", from: 0 },
    encode: (writer) => writer.array([groupId], (item, id) => item.string(id)),
    decode: (reader) => {
      reader.int32();
      const codes = reader.array((row) => {
        row.string();
        return row.int16();
      });
      const errorCode = codes[0];
      if (errorCode === undefined) throw new RangeError("DeleteGroups answered without our group");
      return { errorCode };
    },
  };
}

type Committed = {
  readonly partition: number;
  readonly offset: number;
  readonly errorCode: number;
};

/** OffsetFetch (API 9, versions 3 to 5). */
function fetchOffsetsRequest(
  groupId: string,
  topic: string,
  partitions: readonly number[],
): KafkaRequest<{ readonly errorCode: number; readonly rows: readonly Committed[] }> {
  return {
    apiKey: 9,
    apiName: "OffsetFetch",
    versions: { min: 3, max: 5 },
    throttle: { at: "start", from: 4 },
    encode: (writer) => {
      writer.string(groupId);
      writer.array([topic], (topics, name) =>
        topics.string(name).array(partitions, (item, id) => item.int32(id)),
      );
    },
    decode: (reader, version) => {
      reader.int32();
      const rows = reader.array((topics) => {
        topics.string();
        return topics.array((row) => {
          const partition = row.int32();
          const offset = row.int64();
          if (version >= 5) row.int32();
          row.nullableString();
          return { partition, offset, errorCode: row.int16() };
        });
      });
      return { rows: rows.flat(), errorCode: reader.int16() };
    },
  };
}
