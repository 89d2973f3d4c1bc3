/** One round of a leader: what is written before what is done, how many at once, what outcomes change. */
import { beforeEach, describe, expect, test } from "bun:test";
import { appliedKey } from "../../../../shared/protocol/ledger.ts";
import { touchAll } from "../../../../sidecar/control-plane/act/outcome.ts";
import { foldBeat } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { runRound } from "../../../../sidecar/control-plane/leader/round.ts";
import { ACTS_AT_ONCE_MAX } from "../../../../sidecar/control-plane/plan/schedule.ts";
import { TermLost } from "../../../../sidecar/control-plane/record/write.ts";
import { until } from "../../../bed/condition.ts";
import { type Bench, NOTHING, openBench } from "../leader.ts";
import { A, idOf, recordOf, registrationText, workerOf } from "../sample.ts";

/** Beats every 10 s: it is dead after ten of them, which is longer than the bench's CLEANUP_TIMEOUT. */
const SLOW = registrationText(A, { heartbeat_interval_seconds: 10 });

const ids = (count: number) => Array.from({ length: count }, (_, index) => idOf(`c${index}`));
const registrations = (count: number) => ids(count).map((id, offset) => recordOf(id, offset));
const tombstones = (count: number) => ids(count).map((id, at) => recordOf(id, 1_000 + at, null));
const doneOf = (journal: readonly string[]) =>
  journal.filter((line) => /^(start|stop|delete) /u.test(line));

let bench: Bench;
const list = (...workers: readonly ReturnType<typeof workerOf>[]) =>
  bench.leaderState.actual.fold({ workers, foreign: [] }, bench.leaderState.actual.mark());
const beat = (clientId = A) => {
  const cluster = bench.leaderState.fleet.clusters.get(clientId);
  if (cluster === undefined) throw new Error(`${clientId} is not registered`);
  const heartbeat = { client_id: clientId };
  const beaten = { heartbeat, skewMs: undefined, atMs: bench.clock.ms };
  return foldBeat(cluster, bench.deps.readTime().seen, beaten);
};

beforeEach(() => {
  bench = openBench();
  list();
  bench.pass(1_000);
});

describe("runRound()", () => {
  test("writes the refused, the clusters, `_applied`, fence and intents, and acts after them", async () => {
    const applied = { topic_id: "t", offset: 2, epoch: 7 };
    bench.leaderState.fleet.applied.set(0, applied);
    bench.leaderState.unsavedApplied.add(0);
    expect(await bench.round({ registry: [recordOf("_No", 0), recordOf(A, 1)] })).toEqual([
      "cluster.quarantine: _No",
      `cluster.status: ${A} ${appliedKey(0)}`,
      "fence",
      `cluster.audit: ${A}`,
      `start ${A}`,
    ]);
    expect(await bench.round()).toEqual([`cluster.status: ${A}`, `cluster.audit: ${A}`]);
    expect(await bench.round()).toEqual([]);
  });
  test("keeps the outcome of an act that could not be written, for the end of the term", async () => {
    await bench.round({ registry: [recordOf(A, 0)] });
    await until("the outcome", () => bench.leaderState.audits.length === 1, { deadlineMs: 2_000 });
    bench.knobs.brokenTopic = "cluster.audit";
    expect(await bench.round().catch((cause: unknown) => cause)).toBeInstanceOf(TermLost);
    expect(bench.leaderState.audits).toMatchObject([{ client_id: A, phase: "outcome" }]);
  });
  test.each(["cluster.quarantine", "cluster.status", "cluster.audit"])(
    "does nothing when %s cannot be written",
    async (topic) => {
      bench.knobs.brokenTopic = topic;
      const registry = [recordOf("_No", 0), recordOf(A, 1)];
      const failed = await bench.round({ registry }).catch((cause: unknown) => cause);
      expect(failed).toBeInstanceOf(TermLost);
      expect(doneOf(bench.journal)).toEqual([]);
    },
  );
  test("does nothing without a fence, and tries again", async () => {
    bench.knobs.fenced = false;
    await bench.round({ registry: [recordOf(A, 1)] });
    expect(bench.journal).toEqual([`cluster.status: ${A}`, "fence"]);
    bench.knobs.fenced = true;
    expect(doneOf(await bench.round())).toEqual([`start ${A}`]);
  });
  test("plans nothing before the workers were listed", async () => {
    bench.leaderState.actual.unlisted();
    expect(doneOf(await bench.round({ registry: [recordOf(A, 1)] }))).toEqual([]);
    list();
    touchAll(bench.leaderState, "process");
    expect(doneOf(await bench.round())).toEqual([`start ${A}`]);
  });
  test("a tombstone stops, deletes the group, and is done", async () => {
    await bench.round({ registry: [recordOf(A, 1)] });
    expect(doneOf(await bench.round({ registry: [recordOf(A, 2, null)] }))).toEqual([`stop ${A}`]);
    expect(doneOf(await bench.round())).toEqual([`delete kg-builder-${A}`]);
    await bench.round();
    expect(bench.leaderState.fleet.clusters.get(A)).toMatchObject({
      withdrawal: "done",
      worker: null,
    });
  });
  test("a tombstone of the history stops the worker after silence, keeps the group, and is done", async () => {
    list(workerOf());
    const { round } = bench;
    const registry = [recordOf(A, 1), recordOf(A, 2, null)];
    const history = { ends: new Map([[0, 3]]), judged: new Set<number>() };
    expect(doneOf(await round({ registry }, { history }))).toEqual([]);
    for (let beats = 0; beats < 4; beats += 1) {
      bench.pass(20_000);
      bench.hear(A);
      expect(doneOf(await round({ ticked: true }))).toEqual([]);
    }
    bench.pass(30_000);
    expect(doneOf(await round({ ticked: true }))).toEqual([]);
    bench.pass(1_000);
    expect(doneOf(await round({ ticked: true }))).toEqual([`stop ${A}`]);
    expect(doneOf(await round())).toEqual([]);
    expect(bench.events).toContainEqual({ kind: "cleaned" });
    expect(await round()).toEqual([`cluster.status: ${A}`]);
    const cluster = bench.leaderState.fleet.clusters.get(A);
    expect(cluster).toMatchObject({ withdrawal: "done", groupKept: true, worker: null });
    expect(await round()).toEqual([]);
  });
  test.each([
    ["in the history", [recordOf(A, 1, SLOW), recordOf(A, 2, null)]],
    ["in the ledger", [recordOf(A, 2, null)]],
  ] as const)(
    "a tombstone of the history leaves the worker of a cluster that beats rarely, as its registration %s says",
    async (where, registry) => {
      list(workerOf());
      if (where === "in the ledger") {
        await bench.round({ registry: [recordOf(A, 0, SLOW)] });
        bench.leaderState.actual.fold(
          { workers: [workerOf()], foreign: [] },
          bench.leaderState.actual.mark(),
        );
      }
      const history = { ends: new Map([[0, 3]]), judged: new Set<number>() };
      await bench.round({ registry }, { history });
      const cluster = bench.leaderState.fleet.clusters.get(A);
      expect(cluster).toMatchObject({ state: "withdrawn", groupKept: true });
      bench.pass(100_000);
      expect(doneOf(await bench.round({ ticked: true }))).toEqual([]);
      bench.pass(1_000);
      expect(doneOf(await bench.round({ ticked: true }))).toEqual([`stop ${A}`]);
    },
  );
  test.each([false, true])(
    "a registration behind a tombstone of the history keeps the worker; registry made again: %p",
    async (held) => {
      const applied = { topic_id: "t", offset: 1, epoch: 7 };
      bench.leaderState.fleet.applied.set(0, held ? { ...applied, held } : applied);
      const history = { ends: new Map([[0, 1]]), judged: new Set<number>() };
      list(workerOf());
      const registry = [recordOf(A, 0, null), recordOf(A, 1)];
      expect(doneOf(await bench.round({ registry }, { history }))).toEqual([]);
      expect(bench.stateOf(A)).toBe("registered");
      list();
      touchAll(bench.leaderState, "process");
      expect(doneOf(await bench.round())).toEqual([`start ${A}`]);
    },
  );
  test("a registration that comes while the group is deleted goes on after it", async () => {
    await bench.round({ registry: [recordOf(A, 1), recordOf(A, 2, null), recordOf(A, 3)] });
    expect(bench.stateOf(A)).toBe("registered");
    expect(doneOf(await bench.round())).toEqual([`start ${A}`]);
  });
});

describe("runRound(), acts at once", () => {
  const begun = async (input: Parameters<typeof runRound>[1]) => {
    const fence = Promise.withResolvers<void>();
    bench.knobs.act = () => fence.promise;
    await runRound(bench.deps, input);
    const first = doneOf(bench.journal.splice(0)).length;
    await runRound(bench.deps, NOTHING);
    const second = doneOf(bench.journal.splice(0)).length;
    fence.resolve();
    await until("the acts to end", () => bench.leaderState.busy.size === 0, { deadlineMs: 5_000 });
    await bench.round();
    return [first, second, doneOf(bench.journal).length];
  };
  test("starts 32, and the next when these have ended", async () => {
    const max = ACTS_AT_ONCE_MAX.start;
    expect(await begun({ ...NOTHING, registry: registrations(max + 1) })).toEqual([max, 0, 1]);
  });
  test("stops 256", async () => {
    const max = ACTS_AT_ONCE_MAX.stop;
    list(...ids(max + 1).map((clientId) => workerOf({ clientId })));
    const [first, second] = await begun({ ...NOTHING, registry: tombstones(max + 1) });
    expect([first, second]).toEqual([max, 0]);
  });
  test("deletes 32 groups", async () => {
    const max = ACTS_AT_ONCE_MAX["delete-group"];
    expect(await begun({ ...NOTHING, registry: tombstones(max + 1) })).toEqual([max, 0, 1]);
  });
});

describe("runRound(), outcomes", () => {
  test("a deleted group's says which tombstone it answers, one that came meanwhile too", async () => {
    const hanging = Promise.withResolvers<void>();
    bench.knobs.act = () => hanging.promise;
    await runRound(bench.deps, { ...NOTHING, registry: [recordOf(A, 5, null)] });
    expect(bench.leaderState.busy.get(A)).toBe("delete-group");
    await runRound(bench.deps, { ...NOTHING, registry: [recordOf(A, 9, null)] });
    hanging.resolve();
    await until("the outcome", () => bench.leaderState.audits.length === 1, { deadlineMs: 2_000 });
    const registry = { partition: 0, offset: 9 };
    expect(bench.leaderState.audits).toMatchObject([{ action: "delete-group", registry }]);
    await bench.round();
    expect(bench.leaderState.fleet.clusters.get(A)?.withdrawal).toBe("done");
  });
  test("a failed start waits for its backoff", async () => {
    bench.knobs.act = () => Promise.reject(new Error("no such image"));
    await bench.round({ registry: [recordOf(A, 1)] });
    expect(bench.leaderState.lastError.get(A)).toBe("no such image");
    expect(bench.events).toEqual([{ kind: "failed", action: "start" }]);
    bench.knobs.act = () => Promise.resolve();
    expect(doneOf(await bench.round())).toEqual([]);
    bench.clock.ms += 1_000;
    expect(doneOf(await bench.round())).toEqual([`start ${A}`]);
    expect(bench.leaderState.lastError.has(A)).toBe(false);
  });
  test("a dropped act is planned again at once", async () => {
    bench.knobs.mayAct = false;
    await bench.round({ registry: [recordOf(A, 1)] });
    expect(doneOf(bench.journal)).toEqual([]);
    bench.knobs.mayAct = true;
    expect(doneOf(await bench.round())).toEqual([`start ${A}`]);
    expect(bench.events.map(({ kind }) => kind)).toEqual(["spawned"]);
  });
  test("intent and outcome share an id, and are remembered for the cluster", async () => {
    await bench.round({ registry: [recordOf(A, 1)] });
    const recent = bench.leaderState.recent.get(A) ?? [];
    expect(recent.map(({ id, phase }) => [id, phase])).toEqual([
      ["7-1", "intent"],
      ["7-1", "outcome"],
    ]);
  });
});

describe("runRound(), silence", () => {
  const silentAfter = async (ms: number) => {
    const crossed = bench.pass(ms);
    return doneOf(await bench.round({ crossed, ticked: true }));
  };
  beforeEach(async () => {
    await bench.round({ registry: [recordOf(A, 1)] });
    beat();
  });
  test("stale is a warning only; the dead are stopped, their group is kept", async () => {
    expect(await silentAfter(13_000)).toEqual([]);
    expect(bench.stateOf(A)).toBe("stale");
    expect(await silentAfter(18_000)).toEqual([`stop ${A}`]);
    expect(bench.stateOf(A)).toBe("dead");
    expect(await silentAfter(60_000)).toEqual([]);
  });
  test("one that crossed both before a round came is stale first, and dead a tick later", async () => {
    expect(await silentAfter(31_000)).toEqual([]);
    expect(await silentAfter(1_000)).toEqual([`stop ${A}`]);
  });
  test("in a gap nobody dies, and after it the silent do", async () => {
    await silentAfter(28_000);
    bench.clock.ms += 60_000;
    expect(await silentAfter(4_000)).toEqual([]);
    expect(bench.stateOf(A)).toBe("stale");
    expect(await silentAfter(12_000)).toEqual([`stop ${A}`]);
  });
  test("the brake holds three of three, until beats return", async () => {
    await bench.round({ registry: registrations(2) });
    for (const id of ids(2)) beat(id);
    expect(await silentAfter(31_000)).toEqual([]);
    expect(await silentAfter(5_000)).toEqual([]);
    expect([A, ...ids(2)].map(bench.stateOf)).toEqual(["stale", "stale", "stale"]);
    beat(A);
    // The others may return a moment later: they have one more HEARTBEAT_TIMEOUT.
    expect(await silentAfter(1_000)).toEqual([]);
    beat(A);
    expect((await silentAfter(11_500)).sort()).toEqual(["stop c0", "stop c1"]);
  });

  // A deadline comes up when a tick is read; the round that takes it in begins later.
  test("a tombstone that is read with a deadline is a tombstone", async () => {
    const crossed = bench.pass(13_000);
    await bench.round({ crossed, registry: [recordOf(A, 2, null)] });
    await bench.round();
    expect(bench.stateOf(A)).toBe("withdrawn");
  });
  test("a registration that is read with a last deadline makes it fresh", async () => {
    await silentAfter(13_000);
    const crossed = bench.pass(18_000);
    const done = doneOf(await bench.round({ crossed, registry: [recordOf(A, 2)] }));
    expect([bench.stateOf(A), done]).toEqual(["registered", []]);
  });
  test("a beat that is read between a deadline and its round makes it fresh", async () => {
    const crossed = bench.pass(13_000);
    beat();
    await bench.round({ crossed });
    expect(bench.stateOf(A)).toBe("active");
  });
});
