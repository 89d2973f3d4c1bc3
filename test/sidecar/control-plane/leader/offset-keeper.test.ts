/** Which groups' offsets are read, and what becomes of them. */
import { expect, test } from "bun:test";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import type { KeptOffsets } from "../../../../shared/protocol/ledger-facts.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { openOffsetKeeper } from "../../../../sidecar/control-plane/leader/offset-keeper.ts";
import { openBench } from "../leader.ts";
import { A, B, clusterOf, workerOf } from "../sample.ts";

const KEPT: KeptOffsets = {
  read_at: "2026-01-01T00:00:00.000Z",
  topics: [{ topic: "cluster-info", topic_id: "t", partitions: [[0, 7]] }],
};
const DENIED: KafkaError = {
  code: "authorization",
  retry: "terminal",
  detail: "DESCRIBE on group",
};

function open(answer: Result<KeptOffsets, KafkaError>, during: () => void = () => undefined) {
  const { leaderState } = openBench();
  for (const clientId of [A, B]) {
    leaderState.fleet.clusters.set(clientId, clusterOf({ clientId, state: "dead" }));
    leaderState.unkept.add(clientId);
  }
  leaderState.actual.fold({ workers: [], foreign: [] }, leaderState.actual.mark());
  const asked: string[] = [];
  const warned: string[] = [];
  const keeper = openOffsetKeeper({
    leaderState,
    groups: {
      readOffsets: (group) => {
        asked.push(group);
        during();
        return Promise.resolve(answer);
      },
    },
    log: { warn: (message) => warned.push(message) },
    signal: new AbortController().signal,
    wake: () => undefined,
  });
  const run = async () => {
    keeper.run();
    await keeper.closed();
  };
  const kept = (id = A) => leaderState.fleet.clusters.get(id)?.facts?.offsets;
  return { leaderState, run, asked, warned, kept };
}

test("what was read is a fact of the cluster, and is written", async () => {
  const { leaderState, run, asked, kept } = open(ok(KEPT));
  await run();
  expect(asked).toEqual(["kg-builder-cluster-a", "kg-builder-cluster-b"]);
  expect(kept()).toEqual(KEPT);
  expect([...leaderState.unsaved]).toEqual([A, B]);
  expect(leaderState.unkept.size).toBe(0);
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
  expect(asked).toHaveLength(3);
  expect(warned).toHaveLength(2);
});
