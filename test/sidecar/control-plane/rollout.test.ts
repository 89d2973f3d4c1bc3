/** Rollouts, played: a leader whose workers are moved to another spec, and what stops it. */
import { beforeEach, describe, expect, test } from "bun:test";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { err } from "../../../shared/result.ts";
import { foldChanges, touchAll } from "../../../sidecar/control-plane/act/outcome.ts";
import { foldRollout } from "../../../sidecar/control-plane/act/rollout.ts";
import { toStatus } from "../../../sidecar/control-plane/fleet/ledger.ts";
import { rolloutHalt } from "../../../sidecar/control-plane/plan/hold.ts";
import type { Worker } from "../../../sidecar/control-plane/runtime/runtime.ts";
import { begin } from "../../../sidecar/control-plane/state/ledger.ts";
import { type Bench, openBench } from "./leader.ts";
import { clusterOf, idOf, recordOf, SPEC, workerOf } from "./sample.ts";

const MIN_READY_MS = 60_000;
const OLD = "spec-0";
const ids = (count: number) => Array.from({ length: count }, (_, index) => idOf(`c${index}`));

let bench: Bench;
let listed: readonly Worker[] = [];

/** What the runtime lists now: by default what the leader knows, changed as a test says. */
function look(change: (worker: Worker) => Worker | undefined = (worker) => worker): void {
  const { leaderState, deps, clock } = bench;
  const known = [...leaderState.actual.clientIds()].flatMap((id) => [
    ...leaderState.actual.workersOf(id),
  ]);
  listed = known.flatMap((worker) => change(worker) ?? []);
  const changes = leaderState.actual.fold(
    { workers: listed, foreign: [] },
    leaderState.actual.mark(),
  );
  foldChanges(leaderState, changes, deps.readTime(), deps.outcomes);
  foldRollout(leaderState, {
    changed: changes.changed,
    beganMs: clock.ms,
    minReadyMs: MIN_READY_MS,
  });
  touchAll(leaderState, "process");
}

/** A fleet with workers of the old spec, as a leader finds it in its first listing. */
function adopt(clientIds: readonly ClientId[], workers = clientIds.map(oldOf)): void {
  bench = openBench();
  for (const clientId of clientIds) {
    bench.leaderState.fleet.clusters.set(clientId, clusterOf({ clientId }));
  }
  first(workers);
}

function first(workers: readonly Worker[]): void {
  const { leaderState, ages } = bench;
  begin(leaderState, ages);
  const changes = leaderState.actual.fold({ workers, foreign: [] }, leaderState.actual.mark());
  foldChanges(leaderState, changes, bench.deps.readTime(), bench.deps.outcomes);
  foldRollout(leaderState, {
    changed: changes.changed,
    beganMs: bench.clock.ms,
    minReadyMs: MIN_READY_MS,
  });
}

const oldOf = (clientId: ClientId): Worker =>
  workerOf({ clientId, specHash: OLD, startedAtMs: -1 });

/** Rounds until nothing more is done; what was stopped in them. */
async function rounds(): Promise<readonly string[]> {
  const stopped: string[] = [];
  for (let quiet = 0; quiet < 2; ) {
    const done = (await bench.round()).filter((line) => /^(start|stop) /u.test(line));
    stopped.push(...done.filter((line) => line.startsWith("stop ")));
    quiet = done.length === 0 ? quiet + 1 : 0;
  }
  return stopped;
}

const isNew = ({ specHash }: Worker) => specHash === SPEC;
/** Each worker of the new spec has ended. */
const crash = () => look((worker) => (isNew(worker) ? exitedOf(worker) : worker));
const exitedOf = (worker: Worker): Worker => ({ ...worker, state: "exited", exit: 1 });
const specs = () =>
  [...bench.leaderState.actual.clientIds()].flatMap((id) =>
    bench.leaderState.actual.workersOf(id).map(({ specHash }) => specHash),
  );
const countNew = () => specs().filter((spec) => spec === SPEC).length;

describe("a rollout of a spec that runs", () => {
  test("replaces one, and two, four, five when all before have run WORKER_MIN_READY", async () => {
    adopt(ids(25));
    const waves: number[] = [];
    for (let wave = 0; countNew() < 25 && wave < 20; wave += 1) {
      waves.push((await rounds()).length);
      bench.clock.ms += MIN_READY_MS - 1;
      look();
      expect(await rounds()).toEqual([]);
      bench.clock.ms += 1;
      look();
    }
    expect(waves).toEqual([1, 2, 4, 5, 5, 5, 3]);
    expect(rolloutHalt(bench.leaderState)).toBeUndefined();
    const statuses = [...bench.leaderState.fleet.clusters.values()].map((one) => toStatus(one, 1));
    expect(statuses.filter((status) => "replaced_for" in status)).toEqual([]);
  });
  test("takes a hundredth of a large fleet at once", async () => {
    const now = ids(1_000).map((clientId, index) =>
      index < 300 ? workerOf({ clientId }) : oldOf(clientId),
    );
    adopt(ids(1_000), now);
    expect((await rounds()).length).toBe(1);
    bench.clock.ms += MIN_READY_MS;
    look();
    expect((await rounds()).length).toBe(10);
  });
  test("does not count time in which the workers could not be listed as seen", async () => {
    adopt(ids(3));
    await rounds();
    bench.clock.ms += 10 * MIN_READY_MS;
    touchAll(bench.leaderState, "process");
    expect(await rounds()).toEqual([]);
  });
});

describe("a rollout of a spec that ends after 3 s", () => {
  beforeEach(() => adopt(ids(8)));
  const play = async (minutes: number): Promise<readonly string[]> => {
    const stopped: string[] = [...(await rounds())];
    for (let step = 0; step < minutes * 20; step += 1) {
      bench.clock.ms += 3_000;
      crash();
      stopped.push(...(await rounds()));
    }
    return stopped;
  };
  test("halts at its first worker, and says so", async () => {
    const stopped = new Set(await play(10));
    expect([...stopped]).toEqual(["stop c0"]);
    expect(countNew()).toBe(1);
    expect(rolloutHalt(bench.leaderState)).toBe(
      `rollout halted: c0 with spec ${SPEC}: its worker exited (1) after 3.0 s`,
    );
  });
  test("stays halted under the next leader, also one that finds no worker there", async () => {
    await play(1);
    const clusters = [...bench.leaderState.fleet.clusters.values()];
    for (const missing of [false, true]) {
      bench = openBench();
      for (const one of clusters) bench.leaderState.fleet.clusters.set(one.clientId, { ...one });
      first(listed.filter((worker) => !(missing && isNew(worker))));
      expect(new Set(await play(1))).toEqual(new Set(["stop c0"]));
      expect(rolloutHalt(bench.leaderState)).toStartWith(`rollout halted: c0 with spec ${SPEC}: `);
    }
  });
  test("goes on when its worker runs after all", async () => {
    await play(2);
    bench.clock.ms += 60_000;
    touchAll(bench.leaderState, "process");
    await rounds();
    bench.clock.ms += MIN_READY_MS;
    look();
    expect(rolloutHalt(bench.leaderState)).toBeUndefined();
    expect((await rounds()).length).toBe(2);
  });
  test("ends with another spec: its leader replaces one of those, too", async () => {
    await play(1);
    const clusters = [...bench.leaderState.fleet.clusters.values()];
    bench = openBench();
    bench.knobs.specHash = "spec-2";
    for (const one of clusters) bench.leaderState.fleet.clusters.set(one.clientId, { ...one });
    first(listed.filter((worker) => !isNew(worker)));
    expect(rolloutHalt(bench.leaderState)).toBeUndefined();
  });
  test("new clusters still start, and an exited worker gets the new spec, one at a time", async () => {
    await play(1);
    const news = idOf("new");
    await bench.round({ registry: [recordOf(news, 1)] });
    expect(bench.leaderState.actual.workersOf(news).map(({ specHash }) => specHash)).toEqual([
      SPEC,
    ]);
    bench.leaderState.fleet.clusters.delete(news);
    look(({ clientId, ...worker }) =>
      clientId === news
        ? undefined
        : ["c3", "c4", "c5"].includes(clientId)
          ? exitedOf({ clientId, ...worker })
          : { clientId, ...worker },
    );
    const respawned = (await rounds()).filter((line) => line !== "stop c0");
    expect(respawned.length).toBeLessThanOrEqual(1);
    const all = new Set(await play(10));
    expect(all).toEqual(new Set(["stop c0", "stop c3", "stop c4", "stop c5"]));
    expect(bench.leaderState.actual.workersOf(idOf("c6")).map(({ specHash }) => specHash)).toEqual([
      OLD,
    ]);
  });
});

describe("what is no failure", () => {
  test("a worker that is pending holds its slot, and halts nothing", async () => {
    adopt(ids(3));
    await rounds();
    for (let minute = 0; minute < 10; minute += 1) {
      bench.clock.ms += 60_000;
      look((worker) => (isNew(worker) ? { ...worker, state: "starting" } : worker));
      expect(await rounds()).toEqual([]);
    }
    expect(rolloutHalt(bench.leaderState)).toBeUndefined();
  });
  test("one that exited before and has just started again is not the first to go", async () => {
    adopt(ids(3));
    bench.leaderState.restarts.set(idOf("c0"), 7);
    expect(await rounds()).toEqual(["stop c1"]);
    bench.clock.ms += MIN_READY_MS;
    look();
    expect(await rounds()).toEqual(["stop c0", "stop c2"]);
  });
  test("workers that looped before hold no slot, and the others go on", async () => {
    const loopers = ids(6);
    const good = ["g0", "g1", "g2"].map(idOf);
    adopt([...loopers, ...good], [...loopers.map((id) => exitedOf(oldOf(id))), ...good.map(oldOf)]);
    await rounds();
    const isLooper = ({ clientId }: Worker) => loopers.includes(clientId);
    for (let wave = 0; wave < 3; wave += 1) {
      bench.clock.ms += MIN_READY_MS;
      look((worker) => (isLooper(worker) ? exitedOf(worker) : worker));
      await rounds();
    }
    const now = good.flatMap((id) => bench.leaderState.actual.workersOf(id));
    expect(now.map(({ specHash }) => specHash)).toEqual([SPEC, SPEC, SPEC]);
  });
});

describe("a successor that cannot be made ready", () => {
  test("stops nobody, is asked for less and less often, and is named", async () => {
    adopt(ids(6));
    let asked = 0;
    bench.knobs.prepare = () => {
      asked += 1;
      return err({ code: "no-image", retry: "transient", detail: "image x could not be pulled" });
    };
    const minutes = 30;
    for (let second = 0; second < minutes * 60; second += 1) {
      expect(await rounds()).toEqual([]);
      bench.clock.ms += 1_000;
      look();
    }
    expect(specs()).toEqual(Array.from({ length: 6 }, () => OLD));
    expect(asked).toBeGreaterThan(8);
    expect(asked).toBeLessThan(14);
    expect(rolloutHalt(bench.leaderState)).toBe(
      `rollout halted: c0 with spec ${SPEC}: image x could not be pulled`,
    );
    bench.knobs.prepare = () => ({ ok: true, value: null });
    bench.clock.ms += 300_000;
    look();
    expect((await rounds()).length).toBe(1);
    expect(rolloutHalt(bench.leaderState)).toBeUndefined();
  });
  describe("is waited for no more", () => {
    const unprepared = async (count: number) => {
      adopt(ids(count));
      bench.knobs.prepare = () =>
        err({ code: "no-image", retry: "transient", detail: "image x could not be pulled" });
      await rounds();
      expect(rolloutHalt(bench.leaderState)).toContain("halted: c0");
    };
    test.each([
      ["its worker has gone", () => undefined],
      [
        "its worker was started again with the wanted spec",
        (one: Worker) => workerOf({ ...one, specHash: SPEC }),
      ],
    ])("when %s", async (_, change) => {
      await unprepared(1);
      look(change);
      expect(rolloutHalt(bench.leaderState)).toBeUndefined();
    });
    test("by that cluster; another one that still waits is named then", async () => {
      await unprepared(2);
      look((one) => (one.clientId === "c0" ? undefined : one));
      bench.leaderState.fleet.clusters.delete(idOf("c0"));
      await rounds();
      expect(rolloutHalt(bench.leaderState)).toContain("halted: c1");
    });
    test("not while its worker of the other spec is there, running or not", async () => {
      await unprepared(1);
      look((one) => ({ ...one, state: "exited", exit: 1 }));
      expect(rolloutHalt(bench.leaderState)).toContain("halted: c0");
    });
  });
});
