/**
 * The broker sidecar's contract on a real Kafka: bodies and codes of every endpoint, byte for byte in the
 * original's keys, healthy and unhealthy; the exec probes; three brokers with SASL and TLS, each verified
 * under its replica's name.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkIn } from "../bed/broker-sidecar/answer.ts";
import type { Sidecar } from "../bed/broker-sidecar/sidecar.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { until } from "../bed/condition.ts";

const OPEN_MS = 120_000;
const LIMIT_MS = 90_000;
const SOON = { deadlineMs: 20_000 };
const MEMORY = ["usage", "rss", "inactive_file", "working_set", "non_reclaimable"] as const;

async function get(sidecar: Sidecar, path: string, method = "GET") {
  const answer = await fetch(`${sidecar.url}${path}`, { method });
  return { code: answer.status, text: await answer.text() };
}

/** The whole body up to our own keys, which begin with `checks`. */
const seedOf = (text: string) => text.slice(0, text.indexOf(',"checks":['));

async function seedBecomes(sidecar: Sidecar, path: string, code: number, seed: RegExp | string) {
  await until(
    `${path} to answer ${code} ${seed}`,
    async () => {
      const seen = await get(sidecar, path);
      const fits =
        typeof seed === "string" ? seedOf(seen.text) === seed : seed.test(seedOf(seen.text));
      if (seen.code !== code || !fits) throw new Error(`${seen.code} ${seen.text}`);
      return true;
    },
    SOON,
  );
}

const alone = brokerStage({
  kafka: {},
  sidecars: {},
  prepare: ({ tools }) => tools.createTopic("orders", 3),
});

describe("sidecar broker beside one broker", () => {
  beforeAll(alone.open, OPEN_MS);
  afterAll(alone.close);

  test(
    "answers as the original when all is well",
    alone.act(async ({ sidecars }) => {
      const own = sidecars.of(0);
      await seedBecomes(
        own,
        "/health/live",
        200,
        '{"status":"healthy","brokerId":0,"brokerFound":true',
      );
      await seedBecomes(
        own,
        "/health/ready",
        200,
        '{"status":"healthy","brokerId":0,"brokerRegistered":true,"controllerElected":true,"underReplicatedPartitions":0,"logDirsHealthy":true',
      );
      const about = await get(own, "/about");
      expect(about.code).toBe(200);
      expect(about.text).toMatch(
        /^\{"version":"[^"]*","timestamp":"[^"]*","epoch":"\d+","build":"[^"]*"/u,
      );
      for (const path of ["/health/startup", "/health/restart-safe"]) {
        expect((await get(own, path)).code).toBe(200);
      }
      expect((await get(own, "/health/nothing")).code).toBe(404);
      expect((await get(own, "/health/live", "POST")).code).toBe(405);
      expect((await get(own, "/health/live", "HEAD")).code).toBe(200);
    }),
    LIMIT_MS,
  );

  test(
    "reads what Kafka has",
    alone.act(async ({ kafka, sidecars }) => {
      const own = sidecars.of(0);
      const ready = await own.fresh("ready");
      expect(checkIn(ready, "replicas-in-sync").reason).toBe("3 replicas, all in sync");
      expect(checkIn(ready, "log-directories").reason).toBe("2 directories online");
      const leads = kafka.mode === "kraft" ? "node 0 leads 1 voter" : "node 0 is the controller";
      expect(checkIn(ready, "quorum-leader").reason).toStartWith(leads);
      expect((await get(own, "/about")).text).toContain('"source":"kafka"');
    }),
    LIMIT_MS,
  );

  test(
    "exposes the original's gauges by name and type",
    alone.act(async ({ sidecars }) => {
      const own = sidecars.of(0);
      const text = await own.metrics();
      for (const name of MEMORY) {
        expect(text).toContain(`# TYPE kafka_memory_${name}_bytes gauge\n`);
        expect(text).toMatch(new RegExp(`^kafka_memory_${name}_bytes \\d+$`, "mu"));
      }
      for (const name of ["limit_bytes", "oom_ratio", "oom_floor_ratio"]) {
        expect(text).toContain(`# TYPE kafka_memory_${name} gauge\n`);
      }
    }),
    LIMIT_MS,
  );

  test(
    "is the default command, and answers exec probes with and without a running sidecar",
    alone.act(async ({ sidecars }) => {
      const own = sidecars.of(0);
      const bare = { ...own.env };
      const other = await sidecars.run(["--help"], bare);
      expect(other.output).toContain("(the default)");
      const alone = { ...bare, PORT: "0" };
      for (const env of [bare, alone]) {
        expect(await sidecars.run(["check", "live"], env)).toMatchObject({ code: 0 });
        const ready = await sidecars.run(["check", "ready"], env);
        expect(ready).toEqual({ code: 0, output: "ready: healthy\n" });
        const drained = await sidecars.run(["drain", "--timeout", "20s"], {
          ...env,
          LOG_LEVEL: "error",
        });
        expect(drained.output).toMatch(/^safe to stop \(waited \d+\.\d s\)\n$/u);
        expect(drained.code).toBe(0);
      }
    }),
    LIMIT_MS,
  );

  test(
    "serves a wrong configuration as not ready, and stays",
    alone.act(async ({ sidecars }) => {
      const env = {
        SASL_ENABLED: "true",
        SASL_USERNAME: "u",
        SASL_PASSWORD: "p",
        SASL_MECHANISM: "X",
      };
      const wrong = await sidecars.start(0, { env });
      await seedBecomes(
        wrong,
        "/health/live",
        200,
        '{"status":"healthy","brokerId":0,"brokerFound":false',
      );
      await seedBecomes(
        wrong,
        "/health/ready",
        503,
        '{"status":"unhealthy","brokerId":0,"brokerRegistered":false,"controllerElected":false,"underReplicatedPartitions":0,"logDirsHealthy":false,"error":"failed to configure SASL: unsupported SASL mechanism: X (supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)"',
      );
      expect((await get(wrong, "/about")).code).toBe(200);
      expect(await wrong.metrics()).toContain("outrider_broker_check_state");
      const checked = await sidecars.run(["check", "ready"], { ...wrong.env, PORT: "0" });
      expect(checked.code).toBe(64);
      expect(await wrong.process.stop()).toMatchObject({ code: 0 });
    }),
    LIMIT_MS,
  );

  test(
    "finds its broker by BOOTSTRAP_SERVERS alone, and judges no SASL that is off",
    alone.act(async ({ kafka, sidecars }) => {
      const where = { BOOTSTRAP_SERVERS: kafka.bootstrap, KAFKA_PORT: "", LOCAL_BROKER: "" };
      const off = { SASL_MECHANISM: "GSSAPI", SASL_PASSWORD: "cpln://secret/kafka" };
      const own = await sidecars.start(0, { env: { ...where, ...off, BROKER_ID: "0" } });
      await seedBecomes(own, "/health/ready", 200, /"status":"healthy"/u);
    }),
    LIMIT_MS,
  );

  test(
    "answers as the original when the broker is gone, and ends in order",
    alone.act(async ({ kafka, sidecars }) => {
      const own = sidecars.of(0);
      const cluster = await sidecars.start(0, { env: { LIVENESS: "cluster" } });
      await seedBecomes(cluster, "/health/ready", 200, /"status":"healthy"/u);
      await kafka.broker(0).kill("SIGKILL");
      for (const each of [own, cluster]) {
        await seedBecomes(
          each,
          "/health/live",
          503,
          /^\{"status":"unhealthy","brokerId":0,"brokerFound":false,"error":"failed to fetch metadata: [^"]+"$/u,
        );
        await seedBecomes(
          each,
          "/health/ready",
          503,
          /^\{"status":"unhealthy","brokerId":0,"brokerRegistered":false,"controllerElected":false,"underReplicatedPartitions":0,"logDirsHealthy":false,"error":"failed to fetch metadata: [^"]+"$/u,
        );
      }
      for (const env of [own.env, { ...own.env, PORT: "0" }]) {
        const { code, output } = await sidecars.run(["check", "ready"], env);
        expect(code).toBe(69);
        expect(output).toContain("ready: unhealthy: failed to fetch metadata: ");
      }
      const impatient = await sidecars.run(["drain", "--timeout", "2s"], own.env);
      expect(impatient.code).toBe(75);
      expect(impatient.output).toMatch(/^not safe to stop \(waited \d+\.\d s\): failed/mu);
      const sinceMs = performance.now();
      expect(await cluster.process.stop()).toEqual({ code: 0, signal: null });
      expect(performance.now() - sinceMs).toBeLessThan(3000);
    }),
    LIMIT_MS,
  );
});

const IDS = [0, 1, 2] as const;
const nameOf = (id: number) => `replica-${id}.kafka.aws-us-west-2.g.cpln.local`;
/** The platform's names; here none of them resolves. */
const PLATFORM = {
  CPLN_WORKLOAD: "/org/o/gvc/g/workload/kafka",
  CPLN_LOCATION: "/org/o/location/aws-us-west-2",
  CPLN_GVC: "g",
  REPLICA_COUNT: "3",
  BOOTSTRAP_SERVERS: "",
} as const;
const user = { name: "probe", password: "p,w", mechanism: "SCRAM-SHA-512" } as const;

const secured = brokerStage({
  kafka: {
    brokers: 3,
    listeners: ["SASL_SSL"],
    users: [user],
    serverNames: IDS.map((id) => `DNS:${nameOf(id)}`),
    heap: "320m",
  },
  sidecars: { listener: "SASL_SSL", user, env: PLATFORM },
  prepare: ({ tools }) => tools.createTopic("orders", 6, { "min.insync.replicas": "2" }),
});

describe("sidecar broker beside three brokers with SASL and TLS", () => {
  beforeAll(secured.open, OPEN_MS);
  afterAll(secured.close);

  test(
    "verifies each under its replica's name, and passes over names that do not resolve",
    secured.act(async ({ sidecars }) => {
      for (const id of IDS) {
        const { body } = await sidecars.of(id).fresh("ready");
        expect(body).toMatchObject({ brokerId: id, brokerRegistered: true, status: "healthy" });
        const about = await get(sidecars.of(id), "/about");
        const others = IDS.filter((other) => other !== id).map(nameOf);
        expect(JSON.parse(about.text)).toMatchObject({ brokerId: id, unresolved: others });
        const log = sidecars.of(id).process.output();
        expect(log.match(/names do not resolve/gu)).toHaveLength(1);
        for (const name of others) expect(log).toContain(name);
      }
    }),
    LIMIT_MS,
  );

  test(
    "does not take a certificate that carries another name, and blames not Kafka for it",
    secured.act(async ({ sidecars }) => {
      const env = { ...PLATFORM, TLS_SERVER_NAME: "elsewhere.example" };
      const own = await sidecars.start(0, { env });
      await seedBecomes(
        own,
        "/health/ready",
        503,
        /"error":"failed to fetch metadata: [^"]*elsewhere/u,
      );
      await seedBecomes(
        own,
        "/health/live",
        200,
        '{"status":"healthy","brokerId":0,"brokerFound":false',
      );
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "tells whom stopping a broker would hurt, byte for byte",
    secured.act(async ({ kafka, sidecars }) => {
      const sinceMs = performance.now();
      await kafka.broker(2).stop();
      const unsafe = await sidecars
        .of(0)
        .seenAfter(sinceMs, "restart-safe", ({ body }) => body.blockingTotal === 6);
      expect(unsafe.probed.body.blocking?.[0]).toMatchObject({
        ...{ topic: "orders", minInsyncReplicas: 2, waitingFor: [2] },
      });
      await seedBecomes(
        sidecars.of(2),
        "/health/live",
        503,
        /^\{"status":"unhealthy","brokerId":2,"brokerFound":false,"error":"failed to fetch metadata: /u,
      );
    }),
    LIMIT_MS,
  );
});
