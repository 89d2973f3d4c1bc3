/** What an operator's record in `cluster.control` changes in the leader's state. Pure except for the audit trail. */
import type { Audit } from "../../../shared/protocol/audit.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { ControlEntry } from "../follow/standby.ts";
import { acceptOrphans } from "../plan/orphan-share.ts";
import type { AuditTrail } from "../record/audit.ts";
import type { LeaderState } from "../state/leader-state.ts";

/** @returns the audit record of the decision; undefined for a record that is not an operator's. */
export function foldControl(
  leaderState: LeaderState,
  { offset, record }: ControlEntry,
  trail: AuditTrail,
  at: { readonly epoch: number; readonly topicId: string },
): Audit | undefined {
  const where = `cluster.control offset ${offset}`;
  switch (record.kind) {
    case "leader":
      return undefined;
    case "brake": {
      const { clients, released_at_epoch: released } = record.brake;
      const result =
        released === at.epoch
          ? `${release(leaderState, clients)} of ${clients.length} released`
          : `ignored: released in epoch ${released}, this is ${at.epoch}; ages have started again, look again`;
      return trail.decision({ client_id: null, action: "release-brake", reason: where, result });
    }
    case "accept-registry": {
      const { topic_id: topicId } = record.acceptRegistry;
      const result = accept(leaderState, topicId, at.topicId);
      return trail.decision({ client_id: null, action: "accept-registry", reason: where, result });
    }
  }
}

/** Releases those that are still silent; one that beats again is protected again. */
function release(leaderState: LeaderState, clients: readonly ClientId[]): number {
  let released = 0;
  for (const clientId of clients) {
    const cluster = leaderState.fleet.clusters.get(clientId);
    if (cluster === undefined || leaderState.expiry.ageOf(cluster) === "fresh") continue;
    cluster.released = true;
    leaderState.dirty.add(clientId);
    released += 1;
  }
  return released;
}

function accept(leaderState: LeaderState, topicId: string, readTopicId: string): string {
  if (topicId !== readTopicId)
    return `ignored: the registry that is read has topic id ${readTopicId}`;
  let freed = 0;
  for (const [partition, applied] of leaderState.fleet.applied) {
    if (applied.held !== true || applied.topic_id !== topicId) continue;
    const { held: _, ...rest } = applied;
    leaderState.fleet.applied.set(partition, rest);
    leaderState.unsavedApplied.add(partition);
    freed += 1;
  }
  const orphans = acceptOrphans(leaderState);
  for (const clientId of leaderState.held) leaderState.dirty.add(clientId);
  if (freed > 0) return "accepted";
  if (orphans > 0) return `accepted: ${orphans} workers without a registration may be stopped`;
  return "nothing is held: the ledger knows this registry, and no worker is an orphan";
}
