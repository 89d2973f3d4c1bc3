/**
 * A sidecar that was told another id than that of the broker beside it. Without a check a rolling restart
 * takes the last in-sync replica: the id that the sidecar believes in holds no replica, so all seems safe.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { type BrokerStage, brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch } from "../bed/broker-sidecar/watch.ts";
import type { SidecarsOptions } from "../bed/broker-sidecar.ts";
import { say } from "../fault/say.ts";

const OPEN_MS = 120_000;
const LIMIT_MS = 90_000;
const DRAIN_SECONDS = 8;
const USER = { name: "least", password: "rights", mechanism: "PLAIN" } as const;
const TOPICS = "org.apache.kafka.tools.TopicCommand";
/** As a StatefulSet names the first broker, where ids 0 to 2 belong to other nodes. */
const MISTAKEN = { HOSTNAME: "kafka-broker-0.kafka.svc" };
const LEAST: Omit<SidecarsOptions, "nodes"> = { listener: "SASL_PLAINTEXT", user: USER };

const stage = brokerStage({
  kafka: {
    brokers: 3,
    // So that a broker that is killed takes no vote with it: that alone would make a drain unsafe.
    controllers: 1,
    heap: "256m",
    listeners: ["SASL_PLAINTEXT"],
    users: [USER],
    authorizer: true,
    properties: { "broker.session.timeout.ms": "6000", "broker.heartbeat.interval.ms": "500" },
  },
  sidecars: { nodes: [] },
  prepare: async ({ tools }) => {
    for (const [topic, replicas] of [
      ["pair", "1:2"],
      ["lone", "0,0,0,0"],
      ["other", "1:2"],
    ] as const) {
      const words = ["--bootstrap-server", tools.bootstrap, "--create", "--topic", topic];
      await tools.run(TOPICS, [...words, "--replica-assignment", replicas]);
    }
    const principal = `User:${USER.name}`;
    await tools.allow({ principal, operations: ["Describe"], cluster: true });
    await tools.allow({ principal, operations: ["Describe", "DescribeConfigs"], topic: "*" });
  },
});

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const well = ({ code }: Probed) => code === 200;
const proven = (probed: Probed) => checkIn(probed, "broker-identity").status === "fail";

async function neverDrained(
  { kafka, sidecars }: BrokerStage,
  options: Omit<SidecarsOptions, "nodes">,
): Promise<void> {
  const own = await sidecars.start(1, { ...options, env: MISTAKEN });
  const sinceMs = performance.now();
  await kafka.broker(2).kill("SIGKILL");
  const live = openWatch(own.live);
  const safe = openWatch(own.restartSafe);
  const drained = await own.drain(DRAIN_SECONDS);
  expect(drained).toMatchObject({ code: 503, safe: false });
  const { probed, afterMs } = await own.seenAfter(sinceMs, "ready", proven);
  expect(probed.code).toBe(503);
  expect(probed.body.error).toContain("node 1 answers, not node 0");
  expect(probed.body.error).toContain("BROKER_ID");
  say(`another node: "${probed.body.error}" after ${Math.round(afterMs)} ms`);
  expect([...(await safe.stop()).codes]).toEqual([503]);
  // A wrong setting of ours restarts nobody.
  expect([...(await live.stop()).codes]).toEqual([200]);
  expect(await own.startup()).toMatchObject({ code: 200 });
  await own.process.stop();
}

describe("sidecar broker beside another node than configured", () => {
  test(
    "is not ready, and never lets it be drained",
    stage.act((scene) => neverDrained(scene, {})),
    LIMIT_MS,
  );

  test(
    "likewise where it may not read the node's settings: it asks whose partitions it leads",
    stage.act((scene) => neverDrained(scene, LEAST)),
    LIMIT_MS,
  );

  test(
    "with the right id is ready by the least permissions",
    stage.act(async ({ sidecars }) => {
      const own = await sidecars.start(1, LEAST);
      const { probed } = await own.seenAfter(performance.now(), "ready", well);
      const { status, reason } = checkIn(probed, "broker-identity");
      expect(reason).toMatch(/^node 1 answers \(it leads (pair|other)-0\)$/u);
      expect(status).toBe("pass");
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "with a broker's id of its own scheme keeps its replica's name",
    stage.act(async ({ kafka, sidecars }) => {
      const port = kafka.broker(1).portOf("PLAINTEXT");
      const own = await sidecars.start(1, {
        env: {
          ...{ HOSTNAME: "kafka-7.kafka.ns", BROKER_ID: "1", REPLICA_COUNT: "1" },
          ...{ CPLN_WORKLOAD: "/org/o/gvc/g/workload/kafka", GVC_ALIAS: "invalid" },
          ...{ BOOTSTRAP_SERVERS: "", LOCAL_BROKER: `127.0.0.1:${port}` },
        },
      });
      const { probed } = await own.seenAfter(performance.now(), "ready", well);
      expect(checkIn(probed, "broker-identity").reason).toContain("by its own settings");
      const about: unknown = JSON.parse((await own.about()).text);
      expect(about).toMatchObject({
        brokerId: 1,
        replicas: `REPLICA_COUNT=1 as kafka-{i}.kafka.invalid.svc.cluster.local:${port}`,
      });
      await own.process.stop();
    }),
    LIMIT_MS,
  );
});
