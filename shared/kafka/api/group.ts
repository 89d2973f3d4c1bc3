/** The requests of consumer groups that we use, in their last versions before the flexible ones. */

import type { PartitionOffset } from "./group-offsets.ts";
import type { KafkaRequest } from "./request.ts";

export type Joined = {
  readonly errorCode: number;
  readonly generation: number;
  readonly leaderId: string;
  readonly memberId: string;
  /** Given to the group's leader only. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
};

const NO_INSTANCE = null;
const NO_BYTES = Buffer.alloc(0);

export type JoinOptions = {
  readonly groupId: string;
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolName: string;
  readonly metadata: Buffer;
};

/** JoinGroup (API 11, version 5): waits at the broker for the other members. */
export function joinRequest(options: JoinOptions, lane: string): KafkaRequest<Joined> {
  return {
    apiKey: 11,
    apiName: "JoinGroup",
    versions: { min: 5, max: 5 },
    lane,
    throttle: { at: "start", from: 3 },
    encode: (writer) => {
      writer.string(options.groupId);
      writer.int32(options.sessionTimeoutMs).int32(options.rebalanceTimeoutMs);
      writer.string(options.memberId).nullableString(NO_INSTANCE).string("consumer");
      writer.array([options.protocolName], (item, name) =>
        item.string(name).nullableBytes(options.metadata),
      );
    },
    decode: (reader) => {
      reader.int32();
      const errorCode = reader.int16();
      const generation = reader.int32();
      reader.nullableString();
      const leaderId = reader.string();
      const memberId = reader.string();
      const members = reader.array((row) => {
        const id = row.string();
        row.nullableString();
        return { memberId: id, metadata: row.nullableBytes() ?? NO_BYTES };
      });
      return { errorCode, generation, leaderId, memberId, members };
    },
  };
}

export type Member = {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
};

/** SyncGroup (API 14, version 3). */
export function syncRequest(
  { groupId, generation, memberId }: Member,
  assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
  lane: string,
): KafkaRequest<{ readonly errorCode: number; readonly assignment: Buffer }> {
  return {
    apiKey: 14,
    apiName: "SyncGroup",
    versions: { min: 3, max: 3 },
    lane,
    throttle: { at: "start", from: 2 },
    encode: (writer) => {
      writer.string(groupId).int32(generation).string(memberId).nullableString(NO_INSTANCE);
      writer.array(assignments, (item, row) =>
        item.string(row.memberId).nullableBytes(row.assignment),
      );
    },
    decode: (reader) => {
      reader.int32();
      const errorCode = reader.int16();
      return { errorCode, assignment: reader.nullableBytes() ?? NO_BYTES };
    },
  };
}

/** Heartbeat (API 12, version 3). @returns the error code */
export function heartbeatRequest(member: Member, lane: string): KafkaRequest<number> {
  return {
    apiKey: 12,
    apiName: "Heartbeat",
    versions: { min: 3, max: 3 },
    lane,
    throttle: { at: "start", from: 2 },
    encode: (writer) => {
      writer.string(member.groupId).int32(member.generation).string(member.memberId);
      writer.nullableString(NO_INSTANCE);
    },
    decode: (reader) => {
      reader.int32();
      return reader.int16();
    },
  };
}

/** LeaveGroup (API 13, version 1). @returns the error code */
export function leaveRequest(
  groupId: string,
  memberId: string,
  lane: string,
): KafkaRequest<number> {
  return {
    apiKey: 13,
    apiName: "LeaveGroup",
    versions: { min: 1, max: 1 },
    lane,
    throttle: { at: "start", from: 1 },
    encode: (writer) => writer.string(groupId).string(memberId),
    decode: (reader) => {
      reader.int32();
      return reader.int16();
    },
  };
}

/** OffsetCommit (API 8, version 6): partitions of one topic. @returns the first error code that is not 0 */
export function commitRequest(
  member: Member,
  topic: string,
  offsets: readonly PartitionOffset[],
  lane: string,
): KafkaRequest<number> {
  return {
    apiKey: 8,
    apiName: "OffsetCommit",
    versions: { min: 6, max: 6 },
    lane,
    throttle: { at: "start", from: 4 },
    encode: (writer) => {
      writer.string(member.groupId).int32(member.generation).string(member.memberId);
      writer.array([topic], (topics, name) => {
        topics.string(name);
        topics.array(offsets, (item, { partition, offset }) =>
          item.int32(partition).int64(offset).int32(-1).nullableString(null),
        );
      });
    },
    decode: (reader) => {
      reader.int32();
      const rows = reader.array((topics) => {
        topics.string();
        return topics.array((row) => {
          row.int32();
          return row.int16();
        });
      });
      const codes = rows.flat();
      if (codes.length < offsets.length)
        throw new RangeError("OffsetCommit answered without all of our partitions");
      return codes.find((code) => code !== 0) ?? 0;
    },
  };
}
