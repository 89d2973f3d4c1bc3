/** One attempt to join the group: JoinGroup, the assignment if we are the group's leader, SyncGroup. */

import type { Result } from "../../result.ts";
import { type Joined, joinRequest, type Member, syncRequest } from "../api/group.ts";
import { type KafkaError, protocolError } from "../error.ts";
import {
  assigns,
  chooseOwner,
  decodeUserData,
  encodeAssignment,
  encodeSubscription,
} from "./assignment.ts";
import type { MembershipContext } from "./context.ts";

/** Added to the rebalance timeout, at which the broker answers even if members are missing. */
const JOIN_GRACE_MS = 5000;
const PROTOCOL_NAME = "outrider-longest";
const PARTITION = 0;
const MEMBER_ID_REQUIRED = 79;

export type Joining =
  | {
      readonly kind: "joined";
      readonly memberId: string;
      readonly member: Member;
      readonly owner: boolean;
      /** When SyncGroup was sent, on the monotonic clock. */
      readonly syncedMs: number;
    }
  | { readonly kind: "failed"; readonly memberId: string; readonly error: KafkaError };

export async function joinOnce(context: MembershipContext, memberId: string): Promise<Joining> {
  const { client, groupId, topic, lane, signal } = context;
  const joined = await join(context, memberId);
  if (!joined.ok) return { kind: "failed", memberId, error: joined.error };
  if (joined.value.errorCode === MEMBER_ID_REQUIRED)
    return await joinOnce(context, joined.value.memberId);
  if (joined.value.errorCode !== 0)
    return refused(context, memberId, joined.value.errorCode, "join");

  const { generation, memberId: mine } = joined.value;
  const member = { groupId, generation, memberId: mine };
  const assignments = assignmentsBy(joined.value, topic);
  const request = syncRequest(member, assignments, lane);
  const call = { deadlineMs: context.rebalanceTimeoutMs + JOIN_GRACE_MS, signal };
  const syncedMs = performance.now();
  const synced = await client.toCoordinator(groupId, request, call);
  if (!synced.ok) return { kind: "failed", memberId: mine, error: synced.error };
  if (synced.value.errorCode !== 0) return refused(context, mine, synced.value.errorCode, "sync");
  const owner = assigns(synced.value.assignment, topic, PARTITION);
  return { kind: "joined", memberId: mine, member, owner, syncedMs };
}

function join(context: MembershipContext, memberId: string): Promise<Result<Joined, KafkaError>> {
  const { client, groupId, topic, sessionTimeoutMs, rebalanceTimeoutMs, lane, signal } = context;
  const metadata = encodeSubscription(topic, context.standing());
  const request = joinRequest(
    {
      groupId,
      memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolName: PROTOCOL_NAME,
      metadata,
    },
    lane,
  );
  const deadlineMs = rebalanceTimeoutMs + JOIN_GRACE_MS;
  return client.toCoordinator(groupId, request, { deadlineMs, signal });
}

/** A member that the group no longer knows joins as a new one. */
function refused(
  context: MembershipContext,
  memberId: string,
  errorCode: number,
  what: string,
): Joining {
  const permission = `READ on group ${context.groupId}`;
  const error = protocolError(errorCode, `${what} group ${context.groupId}`, permission);
  if (error.code === "not-coordinator") context.client.forgetCoordinator(context.groupId);
  return { kind: "failed", memberId: error.code === "fenced" ? "" : memberId, error };
}

/** Empty unless we are the group's leader. */
function assignmentsBy(joined: Joined, topic: string) {
  if (joined.leaderId !== joined.memberId) return [];
  const candidates = joined.members.map(({ memberId, metadata }) => ({
    memberId,
    standing: decodeUserData(metadata),
  }));
  const owner = chooseOwner(candidates);
  return candidates.map(({ memberId }) => ({
    memberId,
    assignment: encodeAssignment(topic, memberId === owner ? [PARTITION] : []),
  }));
}
