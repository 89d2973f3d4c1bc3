/** The group of a withdrawn cluster has a member, so it cannot be deleted. Pure except for the leader's state. */
import type { GroupMember } from "../../../shared/kafka/api/describe-groups.ts";
import { type Cluster, setFact } from "../fleet/fleet.ts";
import { strayOf } from "../fleet/stray.ts";
import type { LeaderState } from "../state/leader-state.ts";

/** A new registration waits no longer than this: the session of a killed worker was over after 47 s (measured). */
const STRAY_MS_MAX = 60_000;
const RETRY_MS = { min: 1_000, max: 10_000 } as const;

/**
 * `members`: undefined if they could not be asked for. They are shown, and the deletion is tried again.
 * @returns whether a registration has waited long enough, so that the group is kept for it
 */
export function groupHeld(
  leaderState: LeaderState,
  cluster: Cluster,
  members: readonly GroupMember[] | undefined,
  at: { readonly monotonicMs: number; readonly nowMs: number },
): boolean {
  const { clientId, facts, registry } = cluster;
  const { monotonicMs } = at;
  setFact(cluster, "stray", strayOf(members, facts?.stray, at.nowMs));
  leaderState.unsaved.add(clientId);
  const sinceMs = leaderState.groupHeldSince.get(clientId) ?? monotonicMs;
  leaderState.groupHeldSince.set(clientId, sinceMs);
  const leftMs = sinceMs + STRAY_MS_MAX - monotonicMs;
  const waits = registry.value !== null;
  if (waits && leftMs <= 0) return true;
  const maxMs = waits ? Math.max(RETRY_MS.min, Math.min(leftMs, RETRY_MS.max)) : undefined;
  leaderState.backoffs.failed(clientId, monotonicMs, maxMs);
  return false;
}
