/** What holds back acts on the whole fleet, as text for /health/ready. Pure. */
import type { LeaderState } from "../state/leader-state.ts";
import { describeHalt, haltOf } from "../state/rollout.ts";
import { type FleetConditions, hasRegistration } from "./input.ts";

/** @returns undefined if nothing does */
export function describeHold(
  leaderState: LeaderState,
  conditions: FleetConditions,
): string | undefined {
  if (!leaderState.actual.listed()) {
    return "the workers cannot be listed: nothing is started or stopped until they can";
  }
  if (conditions.registryMadeAgain) {
    return "cluster.registry is not the one that the ledger knows: clean-ups and orphan stops are held until `sidecar accept-registry`";
  }
  const workers = leaderState.actual.count();
  if (workers > 0 && !hasRegistration(leaderState)) {
    return `cluster.registry holds no registration, but ${workers} workers of this fleet run: none is stopped; is this the right Kafka?`;
  }
  const share = conditions.orphans();
  if (share.holds) {
    return `${share.orphans} of ${share.workers} workers of this fleet have no registration: none of them is stopped; is this the right Kafka? They wait for their registrations, or for \`sidecar accept-registry\``;
  }
  const { holds, silent, counted } = conditions.brake();
  if (!holds) return rolloutHalt(leaderState) ?? describeAliases(leaderState.actual.underAlias());
  return `the brake holds: ${silent} of ${counted} clusters are silent; clean-ups wait until they beat, or for \`sidecar release-brake\``;
}

/** Shown until there is none: then FLEET_ALIASES may be unset. */
const describeAliases = (workers: number): string | undefined =>
  workers === 0
    ? undefined
    : `following the ledger; ${workers} workers under alias (FLEET_ALIASES)`;

/** Why no more workers are replaced; undefined if a rollout goes on, or there is none. */
export function rolloutHalt({ rollout, actual }: LeaderState): string | undefined {
  const halt = haltOf(rollout, actual.count());
  return halt && describeHalt(halt, rollout);
}
