/**
 * The brake: when many clusters are silent at the same time, a fault in between is more likely than the
 * death of all.
 *
 * Observed time covers Kafka's absence and our own. It does not cover agents that cannot reach a Kafka that
 * we can reach (their network, a certificate, an ACL). Counted are the clusters that have beaten since they
 * were last cleaned up and whose worker is not yet gone. Of these, clusters past their stale deadline are
 * silent. Clusters that returned only recently count as silent, too: when a path is repaired, the first
 * beats must not lift the brake from clusters whose beats come a little later. While at least `SILENT_MIN`
 * and more than `percent` are silent, there is no clean-up and no orphan stop. Held clusters stay in both
 * counts, so the brake holds until beats have returned or an operator releases them. A pure function of the
 * state.
 */
import type { Cluster } from "./fleet.ts";

/** With fewer silent clusters than this there is no brake. */
const SILENT_MIN = 3;

export type BrakeReading = {
  readonly holds: boolean;
  readonly silent: number;
  readonly counted: number;
};

export function readBrake(
  clusters: Iterable<Cluster>,
  isSilent: (cluster: Cluster) => boolean,
  percent: number,
): BrakeReading {
  let silent = 0;
  let counted = 0;
  for (const cluster of clusters) {
    if (!counts(cluster)) continue;
    counted += 1;
    if (isSilent(cluster)) silent += 1;
  }
  return { holds: silent >= SILENT_MIN && silent * 100 > percent * counted, silent, counted };
}

/** It has beaten, it has a worker (also an exited or restarting one), and no operator has released it. */
const counts = ({ beaten, worker, released, state }: Cluster): boolean =>
  beaten && !released && state !== "withdrawn" && worker !== null && worker.state !== "blocked";
