/** The plan: one row per `return`, and what holds of every situation. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Hold,
  type PlanInput,
  planCluster,
  type Step,
} from "../../../../sidecar/control-plane/plan/plan.ts";
import type { Worker } from "../../../../sidecar/control-plane/runtime/runtime.ts";
import { clusterOf, SPEC, workerOf } from "../sample.ts";
import { planInputOf, wordsOf } from "./situation.ts";

const running = [workerOf()];
const exited = [workerOf({ state: "exited" })];
const byAnother = { state: "starting", held: "suspended by another" } as const;
const held = [workerOf(byAnother)];
const heldOld = [workerOf({ ...byAnother, specHash: "spec-0" })];
const exitedOld = [workerOf({ specHash: "spec-0", state: "exited" })];
const old = [workerOf({ specHash: "spec-0" })];
const two = [workerOf({ instance: "new", startedAtMs: 2 }), workerOf({ startedAtMs: 1 })];
const stale = clusterOf({ state: "stale" });
const dead = clusterOf({ state: "dead" });
const pending = clusterOf({ state: "withdrawn", withdrawal: "pending" });
const done = clusterOf({ state: "withdrawn", withdrawal: "done" });
const foreign = { name: "kg-graph-builder-cluster-a", detail: "no label" };
const inert = { ...foreign, inert: true } as const;
const original = {
  ...foreign,
  takeOver: workerOf({ fleet: "", specHash: "", instance: "theirs" }),
};
const backingOff = true;
const noTurn = { respawnable: false };
const orphan = { cluster: undefined, workers: running };

describe("planCluster()", () => {
  const cases: readonly [string, Partial<PlanInput>, string][] = [
    ["an unlisted runtime: unknown is not none", { listed: false }, "wait not-listed"],
    ["an act under way", { busy: true, cluster: pending }, "wait busy"],
    ["a worker that starts", { workers: [workerOf({ state: "starting" })] }, "wait changing"],
    [
      "one that stops",
      { cluster: dead, workers: [workerOf({ state: "stopping" })] },
      "wait changing",
    ],
    ["nobody", { cluster: undefined }, "none unregistered"],
    ["an orphan in its grace", orphan, "wait orphan"],
    ["an orphan past it", { ...orphan, orphanExpired: true }, "stop orphan cluster-a-1"],
    [
      "one under a former name of the fleet, past it",
      { ...orphan, orphanExpired: true, underAlias: true },
      "none under-alias",
    ],
    ["an orphan, held", { ...orphan, orphanExpired: true, holdOrphan: "brake" }, "wait brake"],
    ["an orphan, backing off", { ...orphan, orphanExpired: true, backingOff }, "wait backoff"],
    ["a withdrawn worker", { cluster: pending, workers: running }, "stop withdrawn cluster-a-1"],
    ["that, backing off", { cluster: pending, workers: running, backingOff }, "wait backoff"],
    ["a withdrawn group", { cluster: pending }, "delete-group"],
    ["that, backing off", { cluster: pending, backingOff }, "wait backoff"],
    ["withdrawn and done", { cluster: done }, "none withdrawn"],
    ["a worker of the done", { cluster: done, workers: running }, "stop withdrawn cluster-a-1"],
    ["a withdrawal is never held", { cluster: pending, holdCleanup: "brake" }, "delete-group"],
    [
      "a withdrawal whose name a foreign object holds",
      { cluster: pending, foreign },
      "none blocked",
    ],
    ["that, backing off", { cluster: pending, foreign, backingOff }, "none blocked"],
    ["one that runs nothing", { cluster: pending, foreign: inert }, "delete-group"],
    [
      "one that may be taken over",
      { cluster: pending, foreign: original },
      "stop withdrawn theirs",
    ],
    ["that, backing off", { cluster: pending, foreign: original, backingOff }, "wait backoff"],
    [
      "that, beside one of ours: ours first",
      { cluster: pending, foreign: original, workers: running },
      "stop withdrawn cluster-a-1",
    ],
    ["a name that a foreign object holds", { foreign }, "none blocked"],
    ["one that may be taken over", { foreign: original }, "stop taken-over theirs"],
    ["that, backing off", { foreign: original, backingOff }, "wait backoff"],
    ["that, no slot free", { foreign: original, replaceable: false }, "wait replace-slot"],
    ["that of a stale cluster", { cluster: stale, foreign: original }, "none blocked"],
    ["that of a dead cluster", { cluster: dead, foreign: original }, "none blocked"],
    ["that of nobody", { cluster: undefined, foreign: original }, "none unregistered"],
    ["that of a withdrawn cluster", { cluster: done, foreign: original }, "none withdrawn"],
    ["two of ours: the newer goes", { workers: two }, "stop duplicate new"],
    [
      "two of a dead one: the newer goes first",
      { cluster: dead, workers: two },
      "stop duplicate new",
    ],
    ["a fresh cluster without a worker", {}, "start"],
    ["a stale one without a worker", { cluster: stale }, "start"],
    ["one that has not beaten yet", { cluster: clusterOf({ state: "registered" }) }, "start"],
    ["that, backing off", { backingOff }, "wait backoff"],
    ["a worker that another holds", { workers: held }, "wait held-by-another"],
    ["that of another spec", { workers: heldOld, replaceable: true }, "wait held-by-another"],
    [
      "that of a withdrawn cluster",
      { cluster: pending, workers: held },
      "stop withdrawn cluster-a-1",
    ],
    ["an exited worker", { workers: exited }, "stop exited cluster-a-1"],
    ["that, backing off", { workers: exited, backingOff }, "wait backoff"],
    ["a running worker", { workers: running }, "none converged"],
    ["a stale cluster's running worker", { cluster: stale, workers: running }, "none converged"],
    ["an old spec", { workers: old }, "stop spec-changed cluster-a-1"],
    ["an old spec, no slot free", { workers: old, replaceable: false }, "wait replace-slot"],
    ["an old spec that has just started", { workers: old, settling: true }, "wait settling"],
    ["exited, and the wanted spec fails", { workers: exitedOld, ...noTurn }, "wait failing-spec"],
    ["exited with that spec", { workers: exited, ...noTurn }, "stop exited cluster-a-1"],
    ["an old spec of a stale cluster", { cluster: stale, workers: old }, "none converged"],
    ["a dead cluster without a worker", { cluster: dead }, "none dead"],
    ["a dead one's exited worker", { cluster: dead, workers: exited }, "stop dead cluster-a-1"],
    [
      "dead by the ledger, not by this term",
      { cluster: dead, workers: running },
      "none expired-later",
    ],
    [
      "a dead one's worker",
      { cluster: dead, workers: running, expired: true },
      "stop dead cluster-a-1",
    ],
    [
      "that, backing off",
      { cluster: dead, workers: running, expired: true, backingOff },
      "wait backoff",
    ],
  ];
  test.each(cases)("%s", (_name, changes, want) => {
    expect(wordsOf(planCluster(planInputOf(changes)))).toBe(want);
  });

  const HOLDS = [
    "gap",
    "brake",
    "registry-made-again",
    "registry-empty",
    "registry-harmful",
  ] as const;
  test.each([...HOLDS])("%s holds a clean-up and an orphan's stop", (hold: Hold) => {
    const held = planInputOf({ cluster: dead, workers: running, expired: true, holdCleanup: hold });
    expect(wordsOf(planCluster(held))).toBe(`wait ${hold}`);
    const kept = planInputOf({ ...orphan, orphanExpired: true, holdOrphan: hold });
    expect(wordsOf(planCluster(kept))).toBe(`wait ${hold}`);
  });

  // An act that failed is not tried again before its backoff is over, whichever act it was.
  const failing: readonly [string, Partial<PlanInput>][] = [
    ["the newer of two", { workers: two }],
    ["a dead cluster's exited worker", { cluster: dead, workers: exited }],
    ["a worker of an old spec", { workers: old }],
  ];
  test.each(failing)("waits before it tries again to stop %s", (_name, changes) => {
    expect(wordsOf(planCluster(planInputOf({ ...changes, backingOff })))).toBe("wait backoff");
  });
  test("names the same one of two that started together, however they are listed", () => {
    const pair = [workerOf({ instance: "a" }), workerOf({ instance: "b" })];
    const of = (workers: readonly Worker[]) => wordsOf(planCluster(planInputOf({ workers })));
    expect([of(pair), of(pair.toReversed())]).toEqual(["stop duplicate b", "stop duplicate b"]);
  });
});

const worker = fc
  .record({
    instance: fc.constantFrom("i1", "i2", "i3"),
    state: fc.constantFrom(
      "starting" as const,
      "running" as const,
      "stopping" as const,
      "exited" as const,
    ),
    specHash: fc.constantFrom(SPEC, "spec-0"),
    startedAtMs: fc.nat(3),
  })
  .map(workerOf);
const cluster = fc
  .record({
    state: fc.constantFrom(
      "registered" as const,
      "active" as const,
      "stale" as const,
      "dead" as const,
    ),
    withdrawal: fc.constantFrom("pending" as const, "done" as const, null, null, null),
    groupKept: fc.boolean(),
  })
  .map(({ state, withdrawal, groupKept }) =>
    clusterOf({
      ...{ withdrawal, state: withdrawal === null ? state : "withdrawn" },
      groupKept: withdrawal !== null && groupKept,
    }),
  );
const hold = fc.constantFrom<(Hold | undefined)[]>(
  undefined,
  "gap",
  "brake",
  "registry-made-again",
);
const input: fc.Arbitrary<PlanInput> = fc
  .record({
    cluster: fc.option(cluster, { nil: undefined }),
    expired: fc.boolean(),
    listed: fc.boolean(),
    workers: fc.uniqueArray(worker, { selector: ({ instance }) => instance, maxLength: 3 }),
    foreign: fc.constantFrom(undefined, undefined, foreign, original, inert),
    busy: fc.boolean(),
    backingOff: fc.boolean(),
    holdCleanup: hold,
    holdOrphan: hold,
    holdWithdrawal: hold,
    orphanExpired: fc.boolean(),
    awaitsSilence: fc.boolean(),
    settling: fc.boolean(),
    replaceable: fc.boolean(),
    respawnable: fc.boolean(),
  })
  .map(planInputOf);

describe("planCluster() properties", () => {
  test("stops only what is listed, starts only what is registered and has no worker", () => {
    fc.assert(
      fc.property(input, (given) => {
        const step = planCluster(given);
        const known = [...given.workers, given.foreign?.takeOver];
        if (step.kind === "stop") expect(known).toContain(step.worker);
        if (step.kind !== "start") return;
        expect(given.cluster?.withdrawal).toBeNull();
        expect([given.workers.length, given.foreign]).toEqual([0, undefined]);
      }),
      { numRuns: 2_000 },
    );
  });
  test("silence deletes no group: only a pending withdrawal does, of which nothing runs", () => {
    fc.assert(
      fc.property(input, (given) => {
        if (planCluster(given).kind !== "delete-group") return;
        expect(given.cluster?.withdrawal).toBe("pending");
        expect(given.cluster?.groupKept).toBe(false);
        expect(given.workers).toEqual([]);
        expect(given.foreign === undefined || given.foreign.inert === true).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
  test("acts on nothing while the runtime is not listed or an act is under way", () => {
    fc.assert(
      fc.property(input, fc.boolean(), (given, busy) => {
        expect(planCluster({ ...given, busy, listed: busy }).kind).toBe("wait");
      }),
    );
  });
  test("carried out step by step it converges, and never runs two", () => {
    fc.assert(
      fc.property(input, (given) => {
        let now: PlanInput = { ...given, listed: true, busy: false, backingOff: false };
        const settled = now.workers.map((one) =>
          one.state === "starting" ? { ...one, state: "running" as const } : one,
        );
        now = { ...now, workers: settled.filter(({ state }) => state !== "stopping") };
        let steps = 0;
        for (; steps < 10; steps += 1) {
          const step = planCluster(now);
          if (step.kind === "none" || step.kind === "wait") break;
          now = carryOut(now, step);
          if (step.kind === "start") expect(now.workers.length).toBe(1);
        }
        expect(steps).toBeLessThan(10);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** The model runtime: every act succeeds. */
function carryOut(now: PlanInput, step: Step): PlanInput {
  switch (step.kind) {
    case "none":
    case "wait":
      return now;
    case "start":
      return { ...now, workers: [workerOf({ instance: "started" })] };
    case "stop":
      return {
        ...now,
        workers: now.workers.filter((one) => one !== step.worker),
        foreign: now.foreign?.takeOver === step.worker ? undefined : now.foreign,
      };
    case "delete-group":
      return { ...now, cluster: done };
  }
}
