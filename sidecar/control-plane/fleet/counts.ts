/** The fleet in numbers, counted on demand. Pure. */
import type { State } from "../../../shared/protocol/ledger.ts";
import type { Cluster } from "./fleet.ts";

export type ClusterCounts = Record<State, number> & {
  readonly conflicts: number;
  readonly blocked: number;
  /** Clusters with a member in their group that is not the worker. */
  readonly strays: number;
  /** Dead clusters without a worker of ours. */
  readonly cleaned: number;
};

export function countClusters(clusters: Iterable<Cluster>): ClusterCounts {
  const states = { registered: 0, active: 0, stale: 0, dead: 0, withdrawn: 0 };
  const counts = { ...states, conflicts: 0, blocked: 0, strays: 0, cleaned: 0 };
  for (const { state, facts, worker } of clusters) {
    counts[state] += 1;
    const isBlocked = worker?.state === "blocked";
    if (isBlocked) counts.blocked += 1;
    if (state === "dead" && (worker === null || isBlocked)) counts.cleaned += 1;
    if (facts?.conflict !== undefined) counts.conflicts += 1;
    if (facts?.stray !== undefined) counts.strays += 1;
  }
  return counts;
}
