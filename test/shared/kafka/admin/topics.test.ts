import { expect, test } from "bun:test";
import { ensureTopics, fewReplicas } from "../../../../shared/kafka/admin/topics.ts";
import type { TopicMetadata } from "../../../../shared/kafka/api/metadata.ts";
import { ok } from "../../../../shared/result.ts";
import { playedClient } from "../played-wire.ts";

const topic = (...replicas: readonly number[][]): TopicMetadata => ({
  name: "t",
  topicId: "T",
  errorCode: 0,
  isInternal: false,
  partitions: replicas.map((ids, partition) => ({
    partition,
    leader: ids[0] ?? -1,
    leaderEpoch: 1,
    replicas: ids,
    isr: ids,
    offlineReplicas: [],
    errorCode: 0,
  })),
});

test("are enough when there are as many as brokers, or three", () => {
  expect(fewReplicas(topic([1]), [1])).toBeUndefined();
  expect(fewReplicas(topic([1, 2]), [1, 2])).toBeUndefined();
  expect(fewReplicas(topic([1, 2, 3], [2, 3, 4]), [1, 2, 3, 4])).toBeUndefined();
});

test("that are too few are named, with a plan that keeps those that are", () => {
  const warning = fewReplicas(topic([1, 2, 3], [2], [3, 1]), [3, 1, 2]);
  expect(warning?.detail).toContain("2 of 3 partitions have fewer than 3 replicas, one has 1");
  const plan: unknown = JSON.parse(warning?.command.split("'")[1] ?? "");
  expect(plan).toEqual({
    version: 1,
    partitions: [
      { topic: "t", partition: 1, replicas: [2, 3, 1] },
      { topic: "t", partition: 2, replicas: [3, 1, 2] },
    ],
  });
});

test("of a topic that exists are judged when it is looked at", async () => {
  const brokers = [1, 2].map((id) => ({ id, host: "h", port: 1, rack: null }));
  const cluster = { clusterId: "c", controllerId: 1, brokers, topics: [topic([1])] };
  const client = {
    ...playedClient({ answer: () => Promise.resolve(undefined) }),
    metadata: () => Promise.resolve(ok(cluster)),
  };
  const specs = [{ name: "t", partitions: 1, config: {} }];
  const made = await ensureTopics(client, specs, { deadlineMs: 1000 });
  const commands = made.ok ? made.value[0]?.warnings.map(({ command }) => command) : [];
  expect(commands?.some((command) => command.includes("kafka-reassign-partitions.sh"))).toBe(true);
});
