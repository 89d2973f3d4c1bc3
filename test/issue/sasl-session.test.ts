/** Sessions of four seconds (`connections.max.reauth.ms`): our connections and kafkajs's own renew them in time, and not with each request. */
import { expect, test } from "bun:test";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { runGroupConsumer } from "../../shared/kafka/consumer/group-consumer.ts";
import type { KafkaLog } from "../../shared/kafka/log.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";

const USER = { name: "outrider", password: "s3cret", mechanism: "PLAIN" } as const;
const SESSION_MS = 4_000;
/** Two sessions and a half. */
const LONG_MS = 10_000;
const TOPIC = "cluster-info";

const kafka = kafkaOfFile({
  listeners: ["SASL_PLAINTEXT"],
  users: [USER],
  properties: { "connections.max.reauth.ms": String(SESSION_MS) },
});

const settings = () => ({
  clientId: "session",
  brokers: kafka.bootstrapOf("SASL_PLAINTEXT").split(","),
  sasl: { mechanism: USER.mechanism, username: USER.name, password: () => USER.password },
});

/** Counts what kafkajs says of each authentication, and keeps what it warns of. */
function counting() {
  const warnings: string[] = [];
  const seen = { authentications: 0, warnings };
  const log: KafkaLog = (level, message) => {
    if (/authentication successful/iu.test(message)) seen.authentications += 1;
    if (level === "warn") seen.warnings.push(message);
  };
  return { seen, log };
}

test("a connection that asks all the time", async () => {
  const { seen, log } = counting();
  const client = openKafkaClient(settings(), { log });
  const endMs = performance.now() + LONG_MS;
  let asked = 0;
  while (performance.now() < endMs) {
    const answer = await client.metadata([], { deadlineMs: 5_000 });
    expect(answer.ok).toBe(true);
    asked += 1;
  }
  await client.close();
  expect(asked).toBeGreaterThan(100);
  // The first, and two or three renewals, on a seed's and a broker's connection.
  expect(seen.authentications).toBeLessThanOrEqual(8);
  expect(seen.authentications).toBeGreaterThanOrEqual(3);
}, 30_000);

test("a worker's consumer", async () => {
  await kafka.tools.createTopic(TOPIC);
  const { seen, log } = counting();
  const stop = new AbortController();
  const ended: string[] = [];
  let counted = 0;
  const consumer = await runGroupConsumer({
    kafka: settings(),
    groupId: "session",
    topic: TOPIC,
    sessionTimeoutMs: 10_000,
    onBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets }) => {
      counted += batch.messages.length;
      resolveOffset(batch.lastOffset());
      await commitOffsetsIfNecessary(uncommittedOffsets());
    },
    onEnd: ({ detail }) => ended.push(detail),
    log,
    signal: stop.signal,
  });
  await kafka.tools.produce(TOPIC, [{ key: "a/1", value: "{}" }]);
  await until("the first to be read", () => counted === 1, { deadlineMs: 20_000 });
  // Until then a new Kafka may still load the group, which begins the consumer again.
  const atStart = seen.warnings.length;
  const beganMs = performance.now();
  await until("the sessions to pass", () => performance.now() - beganMs > LONG_MS, {
    deadlineMs: 2 * LONG_MS,
  });
  await kafka.tools.produce(TOPIC, [{ key: "a/2", value: "{}" }]);
  await until("both to be read", () => counted === 2, { deadlineMs: 20_000 });
  stop.abort();
  await consumer.disconnect();
  expect(ended).toEqual([]);
  const later = seen.warnings.slice(atStart);
  expect(later.filter((line) => /lost Kafka|Crash/u.test(line))).toEqual([]);
}, 60_000);
