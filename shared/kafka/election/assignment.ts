/**
 * The consumer protocol's own bytes inside JoinGroup and SyncGroup, so that Kafka's tools show who owns
 * what. Version 0 of both.
 */

import { ByteReader, ByteWriter } from "../api/bytes.ts";
import type { GroupProtocol } from "./context.ts";

const VERSION = 0;
const ELECTION = "outrider-longest";
/** Kafka's own protocol: other clients in the group would assign the same partitions as we do. */
const RANGE = "range";
const LEADERS_PARTITION = 0;

export function encodeSubscription(topic: string, userData: string): Buffer {
  const writer = new ByteWriter().int16(VERSION);
  return writer
    .array([topic], (item, name) => item.string(name))
    .nullableBytes(Buffer.from(userData))
    .bytes();
}

/** @returns the member's user data; "" when the bytes are not ours */
export function decodeUserData(subscription: Buffer): string {
  try {
    const reader = new ByteReader(subscription);
    reader.int16();
    reader.array((item) => item.string());
    return reader.nullableBytes()?.toString("utf8") ?? "";
  } catch {
    return "";
  }
}

export function encodeAssignment(topic: string, partitions: readonly number[]): Buffer {
  const topics = partitions.length === 0 ? [] : [topic];
  return new ByteWriter()
    .int16(VERSION)
    .array(topics, (item, name) =>
      item.string(name).array(partitions, (row, partition) => row.int32(partition)),
    )
    .nullableBytes(Buffer.alloc(0))
    .bytes();
}

/** An empty assignment owns nothing; a member that joined too late gets one. */
export function assigns(assignment: Buffer, topic: string, partition: number): boolean {
  return assignedPartitions(assignment, topic).includes(partition);
}

/** Empty when the bytes are not of this protocol. */
export function assignedPartitions(assignment: Buffer, topic: string): readonly number[] {
  try {
    const reader = new ByteReader(assignment);
    reader.int16();
    const owned = reader.array((item) => ({
      topic: item.string(),
      partitions: item.array((row) => row.int32()),
    }));
    return owned.flatMap((row) => (row.topic === topic ? row.partitions : []));
  } catch {
    return [];
  }
}

export type LeaderCandidate = { readonly memberId: string; readonly standing: string };

/**
 * Who should own the partition: the member with the lowest epoch (it has led longest), else the first by
 * member id. Every member would decide the same.
 */
export function chooseOwner(candidates: readonly LeaderCandidate[]): string | undefined {
  const rank = ({ standing }: LeaderCandidate) =>
    /^\d+$/.test(standing) ? Number(standing) : Number.POSITIVE_INFINITY;
  const before = (a: LeaderCandidate, b: LeaderCandidate) =>
    rank(a) === rank(b) ? (a.memberId < b.memberId ? -1 : 1) : rank(a) - rank(b);
  return candidates.toSorted(before)[0]?.memberId;
}

/**
 * One member owns partition 0, and with it leads.
 * @param standing this member's epoch as text while it leads, else ""; the member with the lowest epoch has
 * led longest and keeps the partition
 */
export const electionProtocol = (topic: string, standing: () => string): GroupProtocol => ({
  name: ELECTION,
  subscription: () => encodeSubscription(topic, standing()),
  assign: (members) => {
    const candidates = members.map(({ memberId, metadata }) => ({
      ...{ memberId, standing: decodeUserData(metadata) },
    }));
    const owner = chooseOwner(candidates);
    return candidates.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(topic, memberId === owner ? [LEADERS_PARTITION] : []),
    }));
  },
  owns: (assignment) => assigns(assignment, topic, LEADERS_PARTITION),
});

/**
 * Members share the partitions of a topic, each a range of them; if there are more members than partitions,
 * some have none.
 */
export const rangeProtocol = (topic: string, partitionCount: () => number): GroupProtocol => ({
  name: RANGE,
  subscription: () => encodeSubscription(topic, ""),
  assign: (members) => {
    const count = partitionCount();
    const each = Math.floor(count / Math.max(1, members.length));
    const longer = count - each * members.length;
    return members
      .map(({ memberId }) => memberId)
      .toSorted()
      .map((memberId, place) => {
        const first = each * place + Math.min(place, longer);
        const length = each + (place < longer ? 1 : 0);
        const partitions = Array.from({ length }, (_, index) => first + index);
        return { memberId, assignment: encodeAssignment(topic, partitions) };
      });
  },
  owns: (assignment) => assignedPartitions(assignment, topic).length > 0,
});
