/** What `--plan` says of a first round: the steps that would begin, and how many wait for their turn. */
import { expect, test } from "bun:test";
import type { Cluster } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { laterLines, planLines } from "../../../../sidecar/control-plane/operator/plan-lines.ts";
import { ACTS_AT_ONCE_MAX } from "../../../../sidecar/control-plane/plan/schedule.ts";
import type { Worker } from "../../../../sidecar/control-plane/runtime/runtime.ts";
import { openBench } from "../leader.ts";
import { clusterOf, idOf, SPEC, workerOf } from "../sample.ts";

const names = (count: number) =>
  Array.from({ length: count }, (_, n) => `c-${String(n).padStart(3, "0")}`);

/** The clusters in this order, as a leader has them, with the workers that are listed. */
function planned(clusters: readonly Cluster[], workers: readonly Worker[] = []) {
  const { leaderState, ages, deps } = openBench();
  for (const cluster of clusters) {
    leaderState.fleet.clusters.set(cluster.clientId, cluster);
    leaderState.dirty.add(cluster.clientId);
  }
  leaderState.actual.fold({ workers, foreign: [] }, leaderState.actual.mark());
  const { worker } = deps;
  return planLines({ leaderState, ages, conditions: deps.conditions(), worker });
}

const clustersOf = (ids: readonly string[], changes: Partial<Cluster> = {}) =>
  ids.map((id) => clusterOf({ clientId: idOf(id), ...changes }));
const oldWorkers = (ids: readonly string[]) =>
  ids.map((id) => workerOf({ clientId: idOf(id), instance: `${id}-1`, specHash: "spec-old" }));

test("of many outdated workers one is replaced first: the leader's first, not the alphabet's", () => {
  const ids = names(12).reverse();
  const { lines, later } = planned(clustersOf(ids), oldWorkers(ids));
  expect(lines).toEqual(["stop kg-graph-builder-c-011 (spec-changed): c-011-1"]);
  expect([...later]).toEqual([["replace-slot", 11]]);
  expect(laterLines(later)[0]).toContain("then 11 more workers with another spec");
});

test("no more is started at once than a leader starts, and the lines are in order", () => {
  const ids = names(40).reverse();
  const { lines, later } = planned(clustersOf(ids));
  expect(lines).toHaveLength(ACTS_AT_ONCE_MAX.start);
  expect(lines).toEqual(lines.toSorted());
  expect(lines.at(-1)).toBe("start kg-graph-builder-c-039");
  expect([...later]).toEqual([["start", 8]]);
});

test("a withdrawal's group is said with its worker's stop; what runs as it should is not said", () => {
  const gone = clustersOf(["gone"], { state: "withdrawn", withdrawal: "pending" });
  const workers = ["fine", "gone"].map((id) =>
    workerOf({ clientId: idOf(id), instance: `${id}-1`, specHash: SPEC }),
  );
  const { lines, later } = planned([...clustersOf(["fine"]), ...gone], workers);
  expect(lines).toEqual([
    "stop kg-graph-builder-gone (withdrawn): gone-1",
    "delete group kg-builder-gone",
  ]);
  expect(later.size).toBe(0);
});
