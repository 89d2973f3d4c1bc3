/** Which groups' offsets are read, and what becomes of them. */
import { expect, test } from "bun:test";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import type { KeptOffsets } from "../../../../shared/protocol/ledger-facts.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { openOffsetKeeper } from "../../../../sidecar/control-plane/leader/offset-keeper.ts";
import { openBench } from "../leader.ts";
import { A, B, clusterOf, idOf, workerOf } from "../sample.ts";

const KEPT: KeptOffsets = {
  read_at: "2026-01-01T00:00:00.000Z",
  topics: [{ topic: "cluster-info", topic_id: "t", partitions: [[0, 7]] }],
};
const DENIED: KafkaError = {
  code: "authorization",
  retry: "terminal",
  detail: "DESCRIBE on group",
};

type Answer = Result<KeptOffsets, KafkaError>;

function open(answer: Answer, during: () => void = () => undefined) {
  const { leaderState } = openBench();
  for (const clientId of [A, B]) {
    leaderState.fleet.clusters.set(clientId, clusterOf({ clientId, state: "dead" }));
    leaderState.unkept.add(clientId);
  }
  leaderState.actual.fold({ workers: [], foreign: [] }, leaderState.actual.mark());
  const asked: string[] = [];
  const warned: string[] = [];
  let wakes = 0;
  const keeper = openOffsetKeeper({
    leaderState,
    groups: {
      readOffsets: (groups) => {
        asked.push(groups.join(" "));
        during();
        return Promise.resolve(new Map(groups.map((group) => [group, answer])));
      },
    },
    log: { warn: (message) => warned.push(message) },
    signal: new AbortController().signal,
    wake: () => {
      wakes += 1;
    },
  });
  const run = async () => {
    keeper.run();
    await keeper.closed();
  };
  const kept = (id = A) => leaderState.fleet.clusters.get(id)?.facts?.offsets;
  return { leaderState, run, asked, warned, kept, wakes: () => wakes };
}

test("what was read is a fact of the cluster, and is written", async () => {
  const { leaderState, run, asked, kept, wakes } = open(ok(KEPT));
  await run();
  expect(asked).toEqual(["kg-builder-cluster-a kg-builder-cluster-b"]);
  expect(wakes()).toBe(1);
  expect(kept()).toEqual(KEPT);
  expect([...leaderState.unsaved]).toEqual([A, B]);
  expect(leaderState.unkept.size).toBe(0);
});

test("where nothing was committed nothing is written, and it is not asked again", async () => {
  const { leaderState, run, kept, wakes } = open(ok({ ...KEPT, topics: [] }));
  const stray = { since: KEPT.read_at, members: [] };
  leaderState.fleet.clusters.set(B, clusterOf({ clientId: B, state: "dead", facts: { stray } }));
  await run();
  expect(kept()?.topics).toEqual([]);
  expect(leaderState.fleet.clusters.get(B)?.facts?.stray).toEqual(stray);
  expect(leaderState.fleet.clusters.get(A)?.facts?.stray).toBeUndefined();
  expect([...leaderState.unsaved]).toEqual([]);
  expect(wakes()).toBe(0);
});

test("many are asked about at once, each in one question", async () => {
  const { leaderState, run, asked, kept, wakes } = open(ok({ ...KEPT, topics: [] }));
  leaderState.unkept.clear();
  const ids = Array.from({ length: 401 }, (_, n) => idOf(`many-${n}`));
  for (const clientId of ids) {
    leaderState.fleet.clusters.set(clientId, clusterOf({ clientId, state: "dead" }));
    leaderState.unkept.add(clientId);
  }
  await run();
  expect(asked.map((groups) => groups.split(" ").length)).toEqual([200, 200, 1]);
  expect(ids.every((clientId) => kept(clientId) !== undefined)).toBe(true);
  expect(wakes()).toBe(0);
});

test("only those are tried again that could not be read", async () => {
  const away: KafkaError = { code: "timeout", retry: "transient", detail: "no answer" };
  const answers = new Map<string, Answer>([["kg-builder-cluster-a", ok(KEPT)]]);
  const asked: (readonly string[])[] = [];
  const bench = open(err(away), () => undefined);
  const keeper = openOffsetKeeper({
    ...{ leaderState: bench.leaderState, log: { warn: () => undefined }, wake: () => undefined },
    groups: {
      readOffsets: (groups) => {
        asked.push(groups);
        if (asked.length === 2) answers.set("kg-builder-cluster-b", ok(KEPT));
        return Promise.resolve(new Map(groups.map((g) => [g, answers.get(g) ?? err(away)])));
      },
    },
    signal: new AbortController().signal,
  });
  keeper.run();
  await keeper.closed();
  expect(asked.map((groups) => groups.length)).toEqual([2, 1]);
  expect([bench.kept(A), bench.kept(B)]).toEqual([KEPT, KEPT]);
});

test("a cluster whose worker runs, or is about to, is not asked about", async () => {
  const { leaderState, run, asked } = open(ok(KEPT));
  leaderState.actual.started(workerOf());
  leaderState.busy.set(B, "start");
  await run();
  expect(asked).toEqual([]);
});

test("one that came back while its offsets were read keeps none: they are history by then", async () => {
  const clusters = () => leaderState.fleet.clusters;
  const { leaderState, run, kept } = open(ok(KEPT), () => {
    clusters().set(A, clusterOf({ state: "active" }));
  });
  await run();
  expect([kept(A), kept(B)]).toEqual([undefined, KEPT]);
});

test("a missing permission is said once for all groups", async () => {
  const { run, warned, kept } = open(err(DENIED));
  await run();
  expect(kept()).toBeUndefined();
  expect(warned).toHaveLength(1);
});

test("what cannot be kept of a group is said once, however often it is tried again", async () => {
  const tooLarge: KafkaError = { code: "too-large", retry: "terminal", detail: "too long" };
  const { leaderState, run, asked, warned } = open(err(tooLarge));
  await run();
  leaderState.unkept.add(A);
  await run();
  expect(asked).toHaveLength(2);
  expect(warned).toHaveLength(2);
});
