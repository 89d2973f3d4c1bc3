/** The original's gauge of clusters: three states, and what was cleaned up is forgotten. */

import { describe, expect, test } from "bun:test";
import { openMetrics } from "../../../shared/metrics.ts";
import type { LedgerWorker } from "../../../shared/protocol/ledger.ts";
import type { Cluster } from "../../../sidecar/control-plane/fleet/fleet.ts";
import { openControlPlaneMetrics } from "../../../sidecar/control-plane/metrics.ts";
import { clockOf } from "../../clock.ts";
import { clusterOf } from "./sample.ts";

const worker: LedgerWorker = {
  ...{ runtime: "process", instance: "1", spec_hash: "h", restarts: 0, state: "running" },
};

describe("openGauges()", () => {
  const seedOf = async (...clusters: readonly Partial<Cluster>[]) => {
    const metrics = openMetrics();
    openControlPlaneMetrics(metrics, {
      ...{ term: () => undefined, clusters: () => clusters.map(clusterOf) },
      ...{
        clock: clockOf({ monotonicMs: () => 0 }),
        quarantineDropped: () => 0,
        ready: () => true,
      },
      ...{ leaderTick: () => undefined, startedMs: 0, ownIntervalMs: 1_000 },
    });
    const lines = (await metrics.text()).split("\n");
    return lines.filter((line) => /^(?:kg_control_plane|outrider)_clusters/u.test(line));
  };
  test.each([
    ["that is still to be cleaned up", worker, 1],
    ["that was cleaned up", null, 0],
    ["whose worker's name others hold", { ...worker, state: "blocked" }, 0],
  ] as const)("a dead cluster %s", async (_what, its, dead) => {
    const lines = await seedOf({ state: "dead", worker: its }, { state: "registered" });
    expect(lines).toContain(`kg_control_plane_clusters_total{status="dead"} ${dead}`);
    expect(lines).toContain('kg_control_plane_clusters_total{status="active"} 1');
    expect(lines).toContain('outrider_clusters{state="dead"} 1');
  });
});
