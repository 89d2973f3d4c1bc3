/** Gauges of clusters by status and state, counted in one pass over the fleet for each rendering. */
import type { Metrics } from "../../shared/metrics.ts";
import { STATES, type State } from "../../shared/protocol/ledger.ts";
import { countClusters } from "./fleet/counts.ts";
import type { Cluster } from "./fleet/fleet.ts";

/**
 * The original's gauge has three statuses: `registered` counts as active, `withdrawn` does not count, and
 * `dead` counts only until its clean-up is done, because then the original forgets the cluster.
 */
const SEED_STATUS = ["active", "stale", "dead"] as const;
const SEED_STATUS_OF = {
  registered: "active",
  active: "active",
  stale: "stale",
  dead: "dead",
  withdrawn: undefined,
} as const satisfies Record<State, (typeof SEED_STATUS)[number] | undefined>;

/** From the ledger if we do not lead. */
export function openClusterGauges(metrics: Metrics, clusters: () => Iterable<Cluster>): void {
  const seed = metrics.gauge({
    name: "kg_control_plane_clusters_total",
    help: "Clusters by status; registered ones count as active, dead ones until they are cleaned up",
    labels: { status: SEED_STATUS },
  });
  const states = metrics.gauge({
    name: "outrider_clusters",
    help: "Clusters by state",
    labels: { state: STATES },
  });
  const conflicts = metrics.gauge({
    name: "outrider_identity_conflicts",
    help: "Client ids under which two agents beat in turn",
  });
  const blocked = metrics.gauge({
    name: "outrider_blocked_clusters",
    help: "Clusters whose worker's name is held by something that is not ours",
  });
  const strays = metrics.gauge({
    name: "outrider_stray_groups",
    help: "Clusters whose group has a member that is not the worker",
  });
  metrics.beforeText(() => {
    const counts = countClusters(clusters());
    conflicts.set(counts.conflicts);
    blocked.set(counts.blocked);
    strays.set(counts.strays);
    for (const state of STATES) states.set(counts[state], { state });
    const present = { ...counts, dead: counts.dead - counts.cleaned };
    for (const status of SEED_STATUS) seed.set(seedCount(present, status), { status });
  });
}

const seedCount = (
  counts: Readonly<Record<State, number>>,
  status: (typeof SEED_STATUS)[number],
): number =>
  STATES.reduce((sum, state) => sum + (SEED_STATUS_OF[state] === status ? counts[state] : 0), 0);
