/** What a tombstone of the registry's history does, and what it waits for. */
import { describe, expect, test } from "bun:test";
import { type PlanInput, planCluster } from "../../../../sidecar/control-plane/plan/plan.ts";
import { clusterOf, workerOf } from "../sample.ts";
import { planInputOf, wordsOf } from "./situation.ts";

const pending = clusterOf({ state: "withdrawn", withdrawal: "pending", groupKept: true });
const done = { ...pending, withdrawal: "done" } as const;
const running = [workerOf()];
const held = { holdWithdrawal: "registry-made-again" } as const;
const beats = { awaitsSilence: true } as const;
const name = "kg-graph-builder-cluster-a";

describe("planCluster(), withdrawn by history", () => {
  const cases: readonly [string, Partial<PlanInput>, string][] = [
    ["a worker, and beats", { cluster: pending, workers: running, ...beats }, "wait silence"],
    ["a worker, and silence", { cluster: pending, workers: running }, "stop withdrawn cluster-a-1"],
    [
      "a worker, silence, in backoff",
      { cluster: pending, workers: running, backingOff: true },
      "wait backoff",
    ],
    ["no worker", { cluster: pending }, "none group-kept"],
    ["no worker, in backoff", { cluster: pending, backingOff: true }, "none group-kept"],
    ["a file", { cluster: pending, foreign: { name, detail: "", inert: true } }, "none group-kept"],
    ["a foreign worker", { cluster: pending, foreign: { name, detail: "" } }, "none blocked"],
    ["held", { cluster: pending, ...held }, "wait registry-made-again"],
    ["a worker, held", { cluster: pending, workers: running, ...held }, "wait registry-made-again"],
    [
      "a worker of the done, and beats",
      { cluster: done, workers: running, ...beats },
      "wait silence",
    ],
    [
      "a worker of the done, and silence",
      { cluster: done, workers: running },
      "stop withdrawn cluster-a-1",
    ],
    ["that, held", { cluster: done, workers: running, ...held }, "wait registry-made-again"],
    ["done, held", { cluster: done, ...held }, "none withdrawn"],
  ];
  test.each(cases)("%s", (_name, changes, want) => {
    expect(wordsOf(planCluster(planInputOf(changes)))).toBe(want);
  });
});
