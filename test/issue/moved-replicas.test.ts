/**
 * What lies on a broker and what the metadata says differ for good reasons: a throttled reassignment that
 * copies a replica here for hours, and topics that were deleted. Neither is a fault, nor a missing permission.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { type BrokerStage, brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch, watchedText } from "../bed/broker-sidecar/watch.ts";
import { say } from "../fault/say.ts";

const OPEN_MS = 120_000;
const LIMIT_MS = 90_000;
const TOPICS = "org.apache.kafka.tools.TopicCommand";
const REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const TOPIC = "moved";
const RECORDS = 40;
const RECORD_BYTES = 50_000;
/** So slow that the copy outlasts the test. */
const BYTES_PER_SECOND = "10000";
const ROUNDS = 3;

const stage = brokerStage({
  kafka: { brokers: 3, controllers: 1, heap: "256m" },
  sidecars: { nodes: [0, 1, 2] },
  prepare: async ({ tools }) => {
    const words = ["--bootstrap-server", tools.bootstrap, "--create", "--topic", TOPIC];
    await tools.run(TOPICS, [...words, "--replica-assignment", "0:1"]);
    const value = "x".repeat(RECORD_BYTES);
    const records = Array.from({ length: RECORDS }, (_, at) => ({ key: String(at), value }));
    await tools.produce(TOPIC, records);
  },
});

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const isAdding = (probed: Probed) =>
  checkIn(probed, "replicas-in-sync").reason.includes("being added by a reassignment: moved-0");

/** As an operator moves one: broker 2 takes the place of broker 1. */
async function reassigned({ kafka, sidecars, undo }: BrokerStage): Promise<void> {
  const { tools } = kafka;
  const own = sidecars.of(2);
  const file = join(kafka.dir, "reassignment.json");
  const partitions = [{ topic: TOPIC, partition: 0, replicas: [0, 2] }];
  await Bun.write(file, JSON.stringify({ version: 1, partitions }));
  const words = ["--bootstrap-server", tools.bootstrap, "--reassignment-json-file", file];
  const ready = openWatch(own.ready);
  const sinceMs = performance.now();
  await tools.run(REASSIGN, [...words, "--execute", "--throttle", BYTES_PER_SECOND]);
  undo(() => tools.run(REASSIGN, [...words, "--cancel"]).catch(() => {}));
  const { probed, afterMs } = await own.seenAfter(sinceMs, "ready", isAdding);
  say(`reassignment: "${checkIn(probed, "replicas-in-sync").reason}" after ${afterMs} ms`);
  await own.fresh("ready", performance.now() + ROUNDS * own.intervalMs);
  const later = await own.ready();
  expect(isAdding(later)).toBe(true);
  expect(later.body).toMatchObject({ underReplicatedPartitions: 0 });
  expect(await tools.describeTopic(TOPIC)).toMatch(/Isr: (?:0,1|1,0)\s/u);
  const watched = await ready.stop();
  say(`reassignment: broker 2 ready, ${watchedText(watched)}`);
  expect([...watched.codes]).toEqual([200]);
  // The leader may be stopped: broker 1 is in sync, and the replica that is being added is not counted on.
  expect((await sidecars.of(0).restartSafe()).code).toBe(200);
  await tools.run(REASSIGN, [...words, "--cancel"]);
}

async function deleted({ kafka, sidecars }: BrokerStage): Promise<void> {
  const watches = [0, 1].map((id) => openWatch(sidecars.of(id).ready));
  await kafka.tools.deleteTopic(TOPIC);
  const isGone = (probed: Probed) =>
    checkIn(probed, "replicas-in-sync").reason.startsWith("0 replicas");
  for (const id of [0, 1]) {
    const { intervalMs, seenAfter, fresh } = sidecars.of(id);
    await seenAfter(performance.now(), "ready", isGone);
    await fresh("ready", performance.now() + ROUNDS * intervalMs);
  }
  for (const watch of watches) {
    const { changes, codes } = await watch.stop();
    expect(changes.map(({ text }) => text).join("\n")).not.toMatch(/permission|AUTHORIZATION/u);
    expect([...codes]).toEqual([200]);
  }
}

describe("sidecar broker", () => {
  test(
    "is ready while a throttled reassignment copies a replica, and claims no missing permission when the only topic is deleted",
    stage.act(async (scene) => {
      await reassigned(scene);
      await deleted(scene);
    }),
    LIMIT_MS,
  );
});
