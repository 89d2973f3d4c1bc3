/**
 * Members of a cluster's group that are not its worker: they keep a withdrawn cluster's group from being
 * deleted, and take partitions from the worker after the next registration. Pure.
 */
import type { GroupMember } from "../../../shared/kafka/api/describe-groups.ts";
import type { Stray } from "../../../shared/protocol/ledger-facts.ts";

/** How many are kept in the ledger and shown; a group has more only by mistake. */
const MEMBERS_MAX = 8;
const CHARS_MAX = 200;

/**
 * Merges what was found with what was known; `since` is the first time. If no member is named although the
 * group is not empty (they could not be asked for, or Kafka does not say), the known ones stay.
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
 * Whether one of them is still there, now that our worker may be in the group, too. A client that joins
 * again has another member id; it is recognised by its name and address, if it is not the only member. A
 * member that was never named may be any of those present: it is gone when the group is empty.
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
