/**
 * Workers without a registration, counted together. A single one is a leftover; many at the same time mean
 * an empty, rebuilt or wrong Kafka, whose registry must not stop a fleet. While at least `ORPHANS_MIN` and
 * more than `percent` of the workers listed as ours are orphans, none of them is stopped: registrations end
 * it, or an operator who accepts the registry. Pure.
 */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { LeaderState } from "../state/leader-state.ts";

/** Fewer orphans than this count as leftovers. */
const ORPHANS_MIN = 3;

export type OrphanReading = {
  readonly holds: boolean;
  readonly orphans: number;
  readonly workers: number;
};

export function readOrphans(leaderState: LeaderState, percent: number): OrphanReading {
  let orphans = 0;
  let workers = 0;
  for (const clientId of leaderState.actual.clientIds()) {
    workers += 1;
    if (isOrphan(leaderState, clientId)) orphans += 1;
  }
  return { holds: orphans >= ORPHANS_MIN && orphans * 100 > percent * workers, orphans, workers };
}

const isOrphan = (leaderState: LeaderState, clientId: ClientId): boolean =>
  !leaderState.fleet.clusters.has(clientId) &&
  !leaderState.acceptedOrphans.has(clientId) &&
  !leaderState.actual.isUnderAlias(clientId);

/**
 * An operator accepted the registry: the present orphans may be stopped. Before the first listing they are
 * not known, so that listing decides. @returns how many
 */
export function acceptOrphans(leaderState: LeaderState): number {
  leaderState.orphansAcceptedUnlisted = !leaderState.actual.listed();
  const orphans = [...leaderState.actual.clientIds()].filter((clientId) =>
    isOrphan(leaderState, clientId),
  );
  for (const clientId of orphans) leaderState.acceptedOrphans.add(clientId);
  return orphans.length;
}
