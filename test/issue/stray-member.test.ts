/** A consumer that is none of ours in a cluster's group: named, and no new life waits for it for ever. */
import { expect, test } from "bun:test";
import kafkajs from "kafkajs";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { compileAgent } from "../agent/compiled.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { untilRuns, untilShown, withFleet } from "../system/scenario.ts";

const LIMIT_MS = 180_000;
/** 60 s for the stray, a retry, and the start. */
const NEW_LIFE_MS_MAX = 66_000;

const kafka = kafkaOfFile();
const agent = await compileAgent();

async function joinGroup(groupId: string) {
  const client = new kafkajs.Kafka({
    clientId: "somebodys-console",
    brokers: kafka.bootstrap.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const consumer = client.consumer({ groupId });
  const joined = Promise.withResolvers<undefined>();
  consumer.on("consumer.group_join", () => joined.resolve(undefined));
  await consumer.connect();
  await consumer.subscribe({ topics: [CLUSTER_INFO] });
  await consumer.run({ eachMessage: () => Promise.resolve() });
  await joined.promise;
  return consumer;
}

test(
  "deregister, register again: the stray is named, after 60 s the worker runs, and the condition stays while the stray lives",
  () =>
    withFleet(
      kafka,
      async ({ fleet }) => {
        const env = {
          CLIENT_ID: "mine",
          KAFKA_BROKERS: kafka.bootstrap,
          LOG_FORMAT: "text",
          HOOK_TIMEOUT: "120s",
        };
        const plane = await fleet.start();
        await plane.leads();
        expect(await agent.run(["register", "--wait", "20s"], env)).toMatchObject({ code: 0 });
        const stray = await joinGroup("kg-builder-mine");
        const out = await agent.run(["deregister", "--wait", "3s"], env);
        expect(out).toMatchObject({ code: 75 });
        expect(out.text).toContain('client "somebodys-console" at /127.0.0.1');
        await untilRuns(fleet, []);
        const withdrawnMs = performance.now();
        const again = await agent.run(["register", "--wait", "90s"], env);
        expect(again).toMatchObject({ code: 0 });
        expect(performance.now() - withdrawnMs).toBeLessThan(NEW_LIFE_MS_MAX);
        await untilRuns(fleet, ["mine"]);
        await untilShown(plane, "mine", { state: "registered", withdrawal: null });
        const shown = await plane.cluster("mine");
        expect(shown?.error).toContain('client "somebodys-console" at /127.0.0.1');
        expect(await plane.metric("outrider_stray_groups")).toBe(1);

        await stray.disconnect();
        await until(
          "the condition to be over",
          async () => (await plane.metric("outrider_stray_groups")) === 0,
          { deadlineMs: 20_000 },
        );
        await untilShown(plane, "mine", { error: null });
      },
      { CLEANUP_TIMEOUT: "5m", HEARTBEAT_TIMEOUT: "2m" },
    ),
  LIMIT_MS,
);
