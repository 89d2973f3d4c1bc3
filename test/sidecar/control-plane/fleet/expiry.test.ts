/** Deadlines of silence, against a model that looks at every cluster every time. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createExpiry } from "../../../../sidecar/control-plane/fleet/expiry.ts";
import { type Cluster, foldSilence } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { createAges } from "../../../../sidecar/control-plane/fleet/observed-time.ts";
import { clusterOf, idOf } from "../sample.ts";

const INTERVAL_MS = 1_000;
const TIMEOUTS = { heartbeatTimeoutMs: 12_000, cleanupTimeoutMs: 30_000 };
const PARTITIONS = 2;

const open = () => {
  const { heartbeatTimeoutMs } = TIMEOUTS;
  const ages = createAges({ partitions: PARTITIONS, intervalMs: INTERVAL_MS, heartbeatTimeoutMs });
  return { ages, expiry: createExpiry(ages, TIMEOUTS) };
};

/** One clock that has observed `ms`, in steps of one interval. */
function advance(ages: ReturnType<typeof open>["ages"], ms: number): void {
  let round = 1;
  for (let atMs = 0; atMs < ms; atMs += INTERVAL_MS) {
    ages.sent(round, atMs);
    ages.read(0, round);
    round += 1;
  }
  ages.sent(round, ms);
  ages.read(0, round);
}

describe("createSilence()", () => {
  const cases: readonly [number, number | undefined, string][] = [
    [12_000, undefined, "fresh"],
    [12_001, undefined, "stale"],
    [30_000, undefined, "stale"],
    [30_001, undefined, "dead"],
    [12_001, 3, "stale"],
    [12_001, 3.001, "fresh"],
    [20_000, 5, "fresh"],
    [20_001, 5, "stale"],
    [50_000, 5, "stale"],
    [50_001, 5, "dead"],
  ];
  test.each(cases)("after %d ms, with an interval of %p s: %s", (ms, intervalSeconds, want) => {
    const { ages, expiry } = open();
    advance(ages, ms);
    expect<string>(expiry.ageOf(clusterOf({ intervalSeconds }))).toBe(want);
  });
  test("a withdrawn cluster has no deadline", () => {
    const { ages, expiry } = open();
    const cluster = clusterOf();
    expiry.schedule(cluster);
    cluster.state = "withdrawn";
    expiry.schedule(cluster);
    advance(ages, 40_000);
    expect(expiry.take([0])).toEqual([]);
  });
  test("a cluster that is stale already comes up when it is dead, not before", () => {
    const { ages, expiry } = open();
    const cluster = clusterOf({ state: "stale" });
    expiry.schedule(cluster);
    advance(ages, 30_000);
    expect(expiry.take([0])).toEqual([]);
    ages.sent(99_999, 30_500);
    ages.read(0, 99_999);
    expect(expiry.take([0])).toEqual([{ cluster, age: "dead" }]);
  });
});

type Move =
  | { readonly kind: "beat"; readonly who: number; readonly partition: number }
  | { readonly kind: "register"; readonly who: number }
  | { readonly kind: "tick"; readonly afterMs: number; readonly partitions: readonly number[] };

const WHO = 4;
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    kind: fc.constant("beat" as const),
    who: fc.nat(WHO - 1),
    partition: fc.nat(PARTITIONS - 1),
  }),
  fc.record({ kind: fc.constant("register" as const), who: fc.nat(WHO - 1) }),
  fc.record({
    kind: fc.constant("tick" as const),
    // Now and then a pause.
    afterMs: fc.oneof(fc.integer({ min: 1, max: 2_500 }), fc.nat(100_000)),
    partitions: fc.constantFrom([0], [1], [0, 1], [0, 1], []),
  }),
);

type World = ReturnType<typeof open> & { readonly clusters: readonly Cluster[] };

/** What comes up, beside what a model says that looks at all of them. */
function tick({ ages, expiry, clusters }: World, round: number, partitions: readonly number[]) {
  const advanced = new Set(partitions.flatMap((partition) => [...ages.read(partition, round)]));
  const crossed = expiry.take([...advanced]);
  const due = clusters.filter((cluster) => {
    const age = expiry.ageOf(cluster);
    return age === "dead"
      ? cluster.state !== "dead"
      : age === "stale" && cluster.state === "active";
  });
  return { crossed, due };
}

/** A sign of life, folded as the leader folds it. */
function live({ ages, expiry }: World, cluster: Cluster, clock: number): void {
  const moved = cluster.due?.clock !== clock || cluster.state !== "active";
  cluster.seen = { clock, atMs: ages.observedMs(clock) };
  cluster.state = "active";
  if (moved) expiry.schedule(cluster);
}

function openWorld(): World {
  const { ages, expiry } = open();
  const clusters = Array.from({ length: WHO }, (_, index) =>
    clusterOf({
      clientId: idOf(`c${index}`),
      seen: { clock: ages.joint, atMs: 0 },
      intervalSeconds: index === 0 ? 5 : undefined,
    }),
  );
  for (const cluster of clusters) expiry.schedule(cluster);
  return { ages, expiry, clusters };
}

function step(world: World, one: Move, round: number, nowMs: number): void {
  if (one.kind !== "tick") {
    const clock = one.kind === "beat" ? one.partition : world.ages.joint;
    live(world, world.clusters[one.who] ?? clusterOf(), clock);
    return;
  }
  world.ages.sent(round, nowMs);
  const { crossed, due } = tick(world, round, one.partitions);
  expect(new Set(crossed.map(({ cluster }) => cluster))).toEqual(new Set(due));
  expect(crossed.length).toBe(due.length);
  for (const { cluster, age } of crossed) {
    expect(age).toBe(world.expiry.ageOf(cluster));
    foldSilence(cluster, age === "dead" ? "dead" : "stale", nowMs);
    if (age === "stale") world.expiry.schedule(cluster);
  }
}

describe("createSilence() against a model", () => {
  test("exactly those past a deadline come up, each crossing once, at the tick that passes it", () => {
    fc.assert(
      fc.property(fc.array(move, { minLength: 20, maxLength: 200 }), (moves) => {
        const world = openWorld();
        let nowMs = 0;
        for (const [index, one] of moves.entries()) {
          nowMs += one.kind === "tick" ? one.afterMs : 0;
          step(world, one, index + 1, nowMs);
        }
      }),
    );
  });
  test("a cluster that beats once in each deadline never comes up, whatever the pauses", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60_000), { maxLength: 100 }), (pauses) => {
        const { ages, expiry } = open();
        const cluster = clusterOf();
        expiry.schedule(cluster);
        let nowMs = 0;
        pauses.forEach((pauseMs, index) => {
          const round = index + 1;
          nowMs += pauseMs;
          ages.sent(round, nowMs);
          // Appended before the tick, so read before it: six ticks of at most two intervals each.
          if (round % 6 === 0) cluster.seen = { clock: 0, atMs: ages.observedMs(0) };
          expect(expiry.take(ages.read(0, round))).toEqual([]);
        });
      }),
    );
  });
});
