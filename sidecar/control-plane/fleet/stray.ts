/**
 * Members of a cluster's group that are none of ours: they keep a withdrawn cluster's group from being
 * deleted, and take partitions from the worker of the next life. Pure.
 */
import type { GroupMember } from "../../../shared/kafka/api/describe-groups.ts";
import type { Stray } from "../../../shared/protocol/ledger-facts.ts";

/** Kept in the ledger and shown; a group has more than these only by mistake. */
const MEMBERS_MAX = 8;
const CHARS_MAX = 200;

/**
 * What is kept of those found; `since` is of the first time. Where nobody is named although the group is
 * not empty (they could not be asked for, or Kafka does not say), those that are known stay.
 */
export function strayOf(
  members: readonly GroupMember[] | undefined,
  known: Stray | undefined,
  nowMs: number,
): Stray {
  return {
    since: known?.since ?? new Date(nowMs).toISOString(),
    members:
      members === undefined || members.length === 0
        ? (known?.members ?? [])
        : members.slice(0, MEMBERS_MAX).map(({ memberId, clientId, host }) => ({
            member_id: memberId.slice(0, CHARS_MAX),
            client_id: clientId.slice(0, CHARS_MAX),
            host: host.slice(0, CHARS_MAX),
          })),
  };
}

/**
 * Whether one of them is still there, now that our worker may be in the group too. A client that joins
 * anew has another member id: then it is known by name and address, and by not being alone. One that was
 * never named may be any of those present: it is gone when nobody is.
 */
export function strayLives({ members }: Stray, present: readonly GroupMember[]): boolean {
  if (members.length === 0) return present.length > 0;
  return present.some(({ memberId, clientId, host }) =>
    members.some((known) => {
      const isSame = known.member_id === memberId.slice(0, CHARS_MAX);
      const isAlike = known.client_id === clientId && known.host === host;
      return isSame || (isAlike && present.length > 1);
    }),
  );
}

export function strayText(group: string, { members }: Pick<Stray, "members">): string {
  const names = members.map(({ client_id: id, host }) => `${JSON.stringify(id)} at ${host}`);
  const who = names.length === 0 ? "that Kafka does not name" : names.join(", ");
  return `group ${group} has a member that is not its worker: client ${who}`;
}
