/** What outcomes and listings change in the book: each end of a worker counts once, and nothing else does. */
import { beforeEach, describe, expect, test } from "bun:test";
import { foldChanges, foldOutcome } from "../../../../sidecar/control-plane/act/outcome.ts";
import type { ActError, ActOutcome } from "../../../../sidecar/control-plane/plan/act.ts";
import type { Foreign, Worker } from "../../../../sidecar/control-plane/runtime/runtime.ts";
import { workerSpec } from "../../../../sidecar/control-plane/worker/spec.ts";
import { type Bench, openBench } from "../leader.ts";
import { A, clusterOf, idOf, recordOf, SPEC, workerOf } from "../sample.ts";

const starting = workerOf({ state: "starting" });
const exited = workerOf({ state: "exited", exit: 3 });

let bench: Bench;
const fold = (workers: readonly Worker[], foreign: readonly Foreign[] = []) => {
  const { actual } = bench.leaderState;
  const changes = actual.fold({ workers, foreign }, actual.mark());
  foldChanges(bench.leaderState, changes, bench.deps.readTime(), bench.deps.outcomes);
};
const begin = () => bench.leaderState.busy.set(A, "start");
const end = (outcome: ActOutcome) => {
  const spec = workerSpec(A, bench.deps.worker, SPEC);
  const act = { kind: "start", clientId: A, spec, offsets: undefined } as const;
  foldOutcome(bench.leaderState, act, outcome, bench.deps.readTime(), bench.deps.outcomes);
};
const failed = (code: ActError["code"], more: Partial<ActError> = {}) =>
  end({ kind: "failed", error: { code, detail: "it says why", ...more } });
const counts = () => ({
  restarts: bench.leaderState.restarts.get(A) ?? 0,
  failures: bench.leaderState.backoffs.failures(A),
});

beforeEach(() => {
  bench = openBench();
  bench.leaderState.fleet.clusters.set(A, clusterOf());
});

describe("an exit right after the start counts once", () => {
  const ended = () => failed("ended", { instance: exited.instance });
  test.each([
    ["listed exited before the start's outcome", () => [fold([starting]), fold([exited]), ended()]],
    ["listed exited after it", () => [fold([starting]), ended(), fold([exited])]],
    ["listed for the first time after it", () => [ended(), fold([exited])]],
    ["never listed", () => [ended()]],
    ["already removed", () => [fold([starting]), ended(), fold([])]],
  ])("%s", (_name, play) => {
    begin();
    play();
    expect(counts()).toEqual({ restarts: 1, failures: 1 });
  });
  test("and one after the start's success, too", () => {
    begin();
    fold([starting]);
    end({ kind: "started", worker: workerOf() });
    fold([exited]);
    expect(counts()).toEqual({ restarts: 1, failures: 1 });
  });
});

describe("an exit while nobody led counts in the next term", () => {
  const ledger = (state: "running" | "exited" | "crash-loop", instance = exited.instance) => ({
    ...{ runtime: "process", instance, spec_hash: SPEC, restarts: 0, state },
  });
  test.each([
    ["known as running", ledger("running"), 1],
    ["counted by the leader before", ledger("exited"), 0],
    ["counted by it as a crash loop", ledger("crash-loop"), 0],
    ["another instance", ledger("running", "older"), 0],
    ["none known", null, 0],
  ])("%s", (_name, worker, restarts) => {
    bench.leaderState.fleet.clusters.set(A, { ...clusterOf(), worker });
    fold([exited]);
    fold([exited]);
    expect(counts()).toEqual({ restarts, failures: restarts });
  });
});

test.each(["refused", "timeout", "unavailable", "invalid-spec", "name-taken"] as const)(
  "a start that fails with %s is no crash",
  (code) => {
    begin();
    failed(code);
    expect(counts()).toEqual({ restarts: 0, failures: 1 });
  },
);

describe("why a worker was not started", () => {
  test.each(["starting", undefined] as const)(
    "is over when it runs after all, listed as %s before",
    (state) => {
      begin();
      failed("timeout");
      if (state !== undefined) fold([workerOf({ state })]);
      expect(bench.leaderState.lastError.get(A)).toBe("it says why");
      fold([workerOf()]);
      expect(bench.leaderState.lastError.has(A)).toBe(false);
    },
  );
  test("is not over while another holds it", () => {
    begin();
    failed("timeout");
    fold([workerOf({ state: "starting", held: "suspended by another" })]);
    expect(bench.leaderState.fleet.clusters.get(A)?.worker).toMatchObject({
      ...{ state: "starting", held: "suspended by another" },
    });
    expect(bench.leaderState.lastError.has(A)).toBe(true);
  });
});

describe("what the original left", () => {
  const long = idOf("a".repeat(50));
  const theirs = { name: `kg-graph-builder-${long}`, detail: "container 1234" };
  test("blocks the start of a worker whose name we shorten", async () => {
    fold([], [theirs]);
    expect(await bench.round({ registry: [recordOf(long, 1)] })).not.toContain(`start ${long}`);
    expect(bench.leaderState.actual.foreignOf(long)?.detail).toBe("container 1234");
    fold([]);
    expect(bench.leaderState.dirty.has(long)).toBe(true);
    expect(await bench.round()).toContain(`start ${long}`);
  });
  test("blocks a withdrawal, and is shown on it", async () => {
    fold([], [theirs]);
    await bench.round({ registry: [recordOf(long, 1), recordOf(long, 2, null)] });
    expect(bench.journal).not.toContain(`delete kg-builder-${long}`);
    fold([]);
    fold([], [theirs]);
    const { clusters } = bench.leaderState.fleet;
    expect(clusters.get(long)?.worker?.state).toBe("blocked");
    fold([]);
    await bench.round();
    await bench.round();
    expect(bench.journal).toContain(`delete kg-builder-${long}`);
    expect(clusters.get(long)).toMatchObject({ withdrawal: "done", worker: null });
  });
  test("is stopped before the group of a withdrawn cluster is deleted, where it may be", async () => {
    const takeOver = workerOf({ clientId: long, name: theirs.name, fleet: "", instance: "theirs" });
    fold([], [{ ...theirs, takeOver }]);
    await bench.round({ registry: [recordOf(long, 1, null)] });
    await bench.round();
    const acts = bench.journal.filter((line) => /^(?:start|stop|delete) /u.test(line));
    expect(acts).toEqual([`stop ${long}`, `delete kg-builder-${long}`]);
  });
});

describe("a member in the group of a withdrawn cluster", () => {
  const STRAY = { memberId: "m-1", clientId: "console", host: "/10.0.0.3" };
  const act = { kind: "delete-group", clientId: A } as const;
  const withdrawn = (value: string | null) => {
    const registry = { partition: 0, offset: 1, value, headers: {} };
    const cluster = clusterOf({ state: "withdrawn", withdrawal: "pending", registry });
    bench.leaderState.fleet.clusters.set(A, cluster);
    return cluster;
  };
  const tryAgain = (outcome?: ActOutcome) => {
    const error = { code: "group-not-empty", detail: "named", members: [STRAY] } as const;
    const ended = outcome ?? { kind: "failed", error };
    foldOutcome(bench.leaderState, act, ended, bench.deps.readTime(), bench.deps.outcomes);
  };
  const backingOff = () => bench.leaderState.backoffs.backingOff(A, bench.clock.ms);

  test("is named, and holds up a new life for 60 s at most; the condition stays", () => {
    const cluster = withdrawn("{}");
    const beganMs = bench.clock.ms;
    tryAgain();
    expect(cluster.facts?.stray?.members).toMatchObject([{ client_id: "console" }]);
    while (cluster.withdrawal === "pending" && bench.clock.ms - beganMs < 120_000) {
      bench.pass(500);
      if (!backingOff()) tryAgain();
    }
    expect(bench.clock.ms - beganMs).toBeWithin(60_000, 61_001);
    expect(cluster).toMatchObject({ state: "registered", withdrawal: null });
    expect(cluster.facts?.stray?.members).toHaveLength(1);
    expect(bench.leaderState.backoffs.failures(A)).toBe(0);
  });

  test("keeps its name when it cannot be asked for the next time", () => {
    const cluster = withdrawn("{}");
    tryAgain();
    const unnamed = { code: "group-not-empty", detail: "not named" } as const;
    tryAgain({ kind: "failed", error: unnamed });
    expect(cluster.facts?.stray?.members).toMatchObject([{ client_id: "console" }]);
    tryAgain({ kind: "failed", error: { ...unnamed, members: [] } });
    expect(cluster.facts?.stray?.members).toMatchObject([{ client_id: "console" }]);
  });

  test("is waited for without end where nothing else waits", () => {
    const cluster = withdrawn(null);
    for (let minute = 0; minute < 10; minute += 1) {
      tryAgain();
      bench.pass(60_000);
    }
    expect(cluster).toMatchObject({ state: "withdrawn", withdrawal: "pending" });
    tryAgain({ kind: "group-deleted" });
    expect(cluster).toMatchObject({ withdrawal: "done", facts: undefined });
  });

  test("that has left within the minute costs the new life nothing", () => {
    const cluster = withdrawn("{}");
    tryAgain();
    bench.pass(47_000);
    tryAgain({ kind: "group-deleted" });
    expect(cluster).toMatchObject({ state: "registered", withdrawal: null, facts: undefined });
  });
});

describe("offsets that were kept of a dead cluster", () => {
  const KEPT = { read_at: "2026-01-01T00:00:00.000Z", topics: [] };
  const kept = () => bench.leaderState.fleet.clusters.get(A)?.facts?.offsets;
  beforeEach(() => {
    const cluster = clusterOf({ state: "dead", facts: { offsets: KEPT } });
    bench.leaderState.fleet.clusters.set(A, cluster);
  });
  test("are old once its worker is listed as running, whoever started it", () => {
    fold([workerOf()]);
    expect(kept()).toBeUndefined();
    expect(bench.leaderState.unsaved.has(A)).toBe(true);
  });
  test.each([
    ["nothing is listed of it", []],
    ["its worker is on its way", [starting]],
    ["its worker has ended", [exited]],
  ])("stay while %s", (_, workers) => {
    fold(workers);
    expect(kept()).toEqual(KEPT);
  });
});
