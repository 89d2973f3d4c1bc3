/** One attempt to join the group: JoinGroup, the assignment if we are the group's leader, SyncGroup. */

import type { Result } from "../../result.ts";
import { type Joined, joinRequest, type Member, syncRequest } from "../api/group.ts";
import { type KafkaError, protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import type { MembershipContext } from "./context.ts";

/** Added to the rebalance timeout, at which the broker answers even if members are missing. */
const JOIN_GRACE_MS = 5000;

export type Joining =
  | {
      readonly kind: "joined";
      readonly memberId: string;
      readonly member: Member;
      readonly owner: boolean;
      readonly assignment: Buffer;
      /** When SyncGroup was sent, on the monotonic clock. */
      readonly syncedMs: number;
    }
  | { readonly kind: "failed"; readonly memberId: string; readonly error: KafkaError };

export async function joinOnce(context: MembershipContext, memberId: string): Promise<Joining> {
  const { client, groupId, lane, signal, protocol } = context;
  const joined = await join(context, memberId);
  if (!joined.ok) return { kind: "failed", memberId, error: joined.error };
  if (joined.value.errorCode === kafkaCode("MEMBER_ID_REQUIRED"))
    return await joinOnce(context, joined.value.memberId);
  if (joined.value.errorCode !== 0)
    return refused(context, memberId, joined.value.errorCode, "join");

  const { generation, memberId: mine } = joined.value;
  const member = { groupId, generation, memberId: mine };
  // Empty unless we are the group's leader.
  const leads = joined.value.leaderId === mine;
  const assignments = leads ? protocol.assign(joined.value.members) : [];
  const request = syncRequest(member, assignments, lane);
  const call = { deadlineMs: context.rebalanceTimeoutMs + JOIN_GRACE_MS, signal };
  const syncedMs = performance.now();
  const synced = await client.toCoordinator(groupId, request, call);
  if (!synced.ok) return { kind: "failed", memberId: mine, error: synced.error };
  if (synced.value.errorCode !== 0) return refused(context, mine, synced.value.errorCode, "sync");
  const { assignment } = synced.value;
  const owner = protocol.owns(assignment);
  return { kind: "joined", memberId: mine, member, owner, assignment, syncedMs };
}

function join(context: MembershipContext, memberId: string): Promise<Result<Joined, KafkaError>> {
  const { client, groupId, protocol, sessionTimeoutMs, rebalanceTimeoutMs, lane, signal } = context;
  const request = joinRequest(
    {
      groupId,
      memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolName: protocol.name,
      metadata: protocol.subscription(),
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
