/**
 * The brake: silence of many at once is our blindness, not their death.
 *
 * Observed time covers Kafka's absence and our own. What it does not cover is agents that cannot
 * reach a Kafka that we can (their network, a certificate, an ACL). Of the clusters that have beaten
 * since they were last cleaned up and whose worker is not yet gone, those past their stale deadline
 * are silent, and so are those heard again only lately: when a path heals the first beats must not
 * lift the brake from clusters whose own come a moment later. While at least `SILENT_MIN` and more
 * than `percent` are silent, no clean-up and no orphan stop. Held clusters stay in both counts, so the
 * brake holds until beats have returned or an operator releases those that may go. A pure function of
 * the state.
 */
import type { Cluster } from "./fleet.ts";

/** Fewer silent clusters than this are taken at their word. */
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

/** It has beaten, its worker is there (exited and restarting too), and nobody let it go. */
const counts = ({ beaten, worker, released, state }: Cluster): boolean =>
  beaten && !released && state !== "withdrawn" && worker !== null && worker.state !== "blocked";
