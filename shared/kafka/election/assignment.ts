/** The consumer protocol's own bytes inside JoinGroup and SyncGroup, so that Kafka's tools show who owns what. Version 0 of both. */

import { ByteReader, ByteWriter } from "../api/bytes.ts";

const VERSION = 0;

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
  try {
    const reader = new ByteReader(assignment);
    reader.int16();
    const owned = reader.array((item) => ({
      topic: item.string(),
      partitions: item.array((row) => row.int32()),
    }));
    return owned.some((row) => row.topic === topic && row.partitions.includes(partition));
  } catch {
    return false;
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
