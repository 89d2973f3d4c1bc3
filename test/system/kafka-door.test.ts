/** The Kafka door (`shared/kafka/`) against real brokers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ensureTopics } from "../../shared/kafka/admin/topics.ts";
import type { KafkaRecord, OutRecord } from "../../shared/kafka/batch/record.ts";
import { type KafkaClient, openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch, ReadProblem } from "../../shared/kafka/consumer/delivery.ts";
import { BATCH_BYTES_MAX, openProducer } from "../../shared/kafka/producer/producer.ts";
import type { KafkaSettings } from "../../shared/kafka/settings.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";

const LIMIT_MS = 180_000;
const CALL = { deadlineMs: 10_000 };
const SOON = { deadlineMs: 30_000 };
const log = () => {};

const wires: KafkaClient[] = [];
let names = 0;

function wireTo(brokers: string, more: Partial<KafkaSettings> = {}): KafkaClient {
  const settings = { clientId: "door", brokers: brokers.split(","), ...more };
  const client = openKafkaClient(settings, { log });
  wires.push(client);
  return client;
}

async function newTopic(client: KafkaClient, partitions = 1): Promise<string> {
  names += 1;
  const name = `door-${names}`;
  const made = await ensureTopics(client, [{ name, partitions, config: {} }], SOON);
  if (!made.ok) throw new Error(made.error.detail);
  expect(made.value[0]?.created).toBe(true);
  return name;
}

function follow(client: KafkaClient, topic: string, partitions: number) {
  const records: KafkaRecord[] = [];
  const batches: ReadBatch[] = [];
  const problems: ReadProblem[] = [];
  const consumer = openConsumer({
    client,
    log,
    positions: [...Array(partitions).keys()].map((partition) => ({ topic, partition, offset: 0 })),
    deliver: (batch) => {
      batches.push(batch);
      records.push(...batch.records);
    },
    problem: (problem) => problems.push(problem),
  });
  return { consumer, records, batches, problems };
}

const one = (value: string, partition = 0): OutRecord[] => [{ key: "k", value, partition }];

describe("the door to one broker", () => {
  let client: KafkaClient;
  afterAll(async () => {
    for (const each of wires.splice(0)) await each.close();
  });
  const bed = kafkaOfFile({
    listeners: ["SASL_PLAINTEXT", "SASL_SSL", "SSL"],
    users: [
      { name: "scram", password: "right", mechanism: "SCRAM-SHA-256" },
      { name: "scram5", password: "right", mechanism: "SCRAM-SHA-512" },
      { name: "plain", password: "right", mechanism: "PLAIN" },
    ],
    authorizer: true,
  });
  beforeAll(() => {
    client = wireTo(bed.bootstrap);
  });

  test(
    "carries null, empty values and headers, both ways",
    async () => {
      const topic = await newTopic(client);
      const sent = await openProducer({ client, log }).send(
        topic,
        [
          { key: "a", value: "1", headers: { reason: "why" } },
          { key: "a", value: null },
          { key: "a", value: "" },
        ],
        CALL,
      );
      expect(sent).toEqual({
        ok: true,
        value: [0, 1, 2].map((offset) => ({ partition: 0, offset })),
      });
      const { consumer, records } = follow(client, topic, 1);
      await until("three records", () => records.length === 3, SOON);
      expect(records.map(({ value }) => value?.toString() ?? null)).toEqual(["1", null, ""]);
      expect(records[0]?.headers()).toEqual({ reason: "why" });
      await consumer.close();
      const seen = await bed.tools.consume(topic, { count: 3 });
      expect(seen.map(({ value }) => value)).toEqual(["1", null, ""]);
    },
    LIMIT_MS,
  );

  test(
    "tells the end of an empty partition",
    async () => {
      const topic = await newTopic(client);
      const { consumer, batches } = follow(client, topic, 1);
      const first = await until("the end", () => batches[0], SOON);
      expect([first.nextOffset, first.highWatermark, first.records.length]).toEqual([0, 0, 0]);
      await consumer.close();
    },
    LIMIT_MS,
  );

  test.each(["gzip", "snappy", "lz4", "zstd"] as const)(
    "reads what Java compressed with %s",
    async (compression) => {
      const topic = await newTopic(client);
      const sent = Array.from({ length: 50 }, (_, index) => ({
        key: `k${index}`,
        value: "v".repeat(index),
      }));
      await bed.tools.produce(topic, sent, { compression });
      const { consumer, records, batches } = follow(client, topic, 1);
      await until("all records", () => records.length === sent.length, SOON);
      expect(records.map(({ value }) => value?.toString())).toEqual(sent.map(({ value }) => value));
      expect(batches.flatMap(({ corrupt }) => corrupt)).toEqual([]);
      await consumer.close();
    },
    LIMIT_MS,
  );

  test(
    "splits what is too much for one batch, in order",
    async () => {
      const topic = await newTopic(client);
      const half = "x".repeat(BATCH_BYTES_MAX / 2);
      const sent = await openProducer({ client, log }).send(
        topic,
        [...one(half), ...one(half), ...one("y")],
        CALL,
      );
      expect(sent.ok && sent.value.map(({ offset }) => offset)).toEqual([0, 1, 2]);
      const large = await openProducer({ client, log }).send(
        topic,
        one("x".repeat(2 * BATCH_BYTES_MAX)),
        CALL,
      );
      expect(large.ok ? "ok" : large.error.code).toBe("too-large");
    },
    LIMIT_MS,
  );

  test(
    "keeps the order of concurrent sends to a partition",
    async () => {
      const topic = await newTopic(client);
      const producer = openProducer({ client, log });
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => producer.send(topic, one(`${index}`), CALL)),
      );
      const { consumer, records } = follow(client, topic, 1);
      await until("all", () => records.length === 50, SOON);
      expect(records.map(({ value }) => Number(value))).toEqual(records.map((_, index) => index));
      await consumer.close();
    },
    LIMIT_MS,
  );

  test(
    "notices a topic that was deleted and made again",
    async () => {
      const topic = await newTopic(client);
      await openProducer({ client, log }).send(topic, one("old"), CALL);
      const { consumer, records, problems } = follow(client, topic, 1);
      await until("the old record", () => records.length === 1, SOON);
      await bed.tools.deleteTopic(topic);
      await until("missing", () => problems.some(({ kind }) => kind === "topic-missing"), SOON);
      await bed.tools.createTopic(topic, 2);
      const kinds = () => problems.map(({ kind }) => kind);
      await until("made again", () => kinds().includes("topic-recreated"), SOON);
      expect(kinds()).toContain("partition-count-changed");
      await consumer.close();
    },
    LIMIT_MS,
  );

  test(
    "ends calls at their deadline while the broker hangs, and goes on afterwards",
    async () => {
      const topic = await newTopic(client);
      const { consumer, records, problems } = follow(client, topic, 1);
      await bed.broker(0).kill("SIGSTOP");
      try {
        const startedMs = performance.now();
        const hung = await client.metadata([], { deadlineMs: 500 });
        expect(hung.ok ? "ok" : hung.error.code).toBe("timeout");
        expect(performance.now() - startedMs).toBeLessThan(900);
        await until("unreachable", () => problems.some(({ kind }) => kind === "unreachable"), SOON);
      } finally {
        await bed.broker(0).kill("SIGCONT");
      }
      const sent = await openProducer({ client, log }).send(topic, one("after"), CALL);
      expect(sent.ok).toBe(true);
      await until(
        "the record",
        () => records.some(({ value }) => value?.toString() === "after"),
        SOON,
      );
      await until("recovered", () => problems.at(-1)?.kind === "recovered", SOON);
      await consumer.close();
    },
    LIMIT_MS,
  );

  test(
    "asks for a topic that is not there without making it",
    async () => {
      const answer = await client.metadata(["nowhere"], CALL);
      expect(answer.ok && answer.value.topics[0]?.errorCode).toBe(3);
      expect(await bed.tools.listTopics()).not.toContain("nowhere");
    },
    LIMIT_MS,
  );

  test.each([
    ["scram", "SCRAM-SHA-256"],
    ["scram5", "SCRAM-SHA-512"],
    ["plain", "PLAIN"],
  ] as const)(
    "lets %s in with %s, and says within 2 s that a password is wrong",
    async (username, mechanism) => {
      const brokers = bed.bootstrapOf("SASL_PLAINTEXT");
      let password = "wrong-secret";
      const own = wireTo(brokers, { sasl: { mechanism, username, password: () => password } });
      const startedMs = performance.now();
      const refused = await own.metadata([], CALL);
      expect(performance.now() - startedMs).toBeLessThan(2000);
      expect(refused.ok ? "ok" : refused.error.code).toBe("authentication");
      expect(JSON.stringify(refused)).not.toContain(password);
      password = "right";
      expect((await own.metadata([], CALL)).ok).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    "speaks TLS with a client certificate, and names a file that is not there",
    async () => {
      const { caFile, client } = bed.certificates;
      const brokers = bed.bootstrapOf("SSL");
      const tls = { caFile, certFile: client.certFile, keyFile: client.keyFile };
      expect((await wireTo(brokers, { tls }).metadata([], CALL)).ok).toBe(true);
      const none = await wireTo(brokers, { tls: { ...tls, certFile: "/nowhere.pem" } }).metadata(
        [],
        CALL,
      );
      expect(none.ok ? "" : `${none.error.code} ${none.error.detail}`).toMatch(
        /^invalid .*\/nowhere\.pem/,
      );
      const bare = await wireTo(brokers, { tls: { caFile } }).metadata([], CALL);
      expect(bare.ok ? "ok" : bare.error.code).toBe("authentication");
      const strange = await wireTo(brokers, {
        tls: { certFile: client.certFile, keyFile: client.keyFile },
      }).metadata([], CALL);
      expect(strange.ok ? "ok" : strange.error.code).toBe("authentication");
    },
    LIMIT_MS,
  );

  test(
    "names the permission that is missing",
    async () => {
      const topic = await newTopic(client);
      await bed.tools.allow({ principal: "User:plain", operations: ["Describe"], topic });
      const sasl = { mechanism: "PLAIN", username: "plain", password: () => "right" } as const;
      const own = wireTo(bed.bootstrapOf("SASL_PLAINTEXT"), { sasl });
      const sent = await openProducer({ client: own, log }).send(topic, one("x"), CALL);
      expect(sent.ok ? "" : `${sent.error.code}: ${sent.error.detail}`).toMatch(
        new RegExp(`^authorization: .*WRITE on topic ${topic}`),
      );
    },
    LIMIT_MS,
  );
});
