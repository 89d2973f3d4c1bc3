/** Three brokers with SASL and their sidecars: killed, stopped, without a quorum; how long verdicts take. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { openPace, watchClosely } from "../bed/broker-sidecar/pace.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch, watchedText } from "../bed/broker-sidecar/watch.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { testOnKraft } from "../bed/kafka/on-kraft.ts";
import { say } from "./say.ts";

const LIMIT_MS = 150_000;
const OPEN_MS = 120_000;
const USER = { name: "probe", password: "a probe's", mechanism: "SCRAM-SHA-256" } as const;
const INTERVAL_MS = 1000;
/** As PROBE_INTERVAL is by default. */
const DEFAULT_INTERVAL_MS = 2000;
/** A fault may begin right after a round has: then the next one sees it, at its deadline. */
const seenWithinMs = (intervalMs: number) => 2 * intervalMs + 500;
const ANSWER_MS = 50;
const TOPIC = "orders";
const PARTITIONS = 6;
/** Its only replica is on broker 1. */
const ALONE = "alone";

const stage = brokerStage({
  kafka: {
    brokers: 3,
    listeners: ["SASL_PLAINTEXT"],
    users: [USER],
    heap: "320m",
    properties: {
      "broker.heartbeat.interval.ms": "500",
      // Half of it is the time that a registration may take, also on a busy machine.
      "broker.session.timeout.ms": "6000",
      "replica.lag.time.max.ms": "4000",
    },
  },
  sidecars: { listener: "SASL_PLAINTEXT", user: USER, intervalMs: INTERVAL_MS },
  prepare: async ({ tools }) => {
    await tools.createTopic(TOPIC, PARTITIONS, { "min.insync.replicas": "2" });
    const TOPICS = "org.apache.kafka.tools.TopicCommand";
    const words = ["--bootstrap-server", tools.bootstrap, "--create", "--topic", ALONE];
    await tools.run(TOPICS, [...words, "--replica-assignment", "1"]);
  },
});

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const statusOf = (probed: Probed, check: string) => checkIn(probed, check).status;
const dead = ({ code }: Probed) => code === 503;
const well = ({ code }: Probed) => code === 200;

/** By Kafka's own tool: partitions of the topic whose ISR lacks the broker. */
async function lacking({ tools }: KafkaBed, broker: number): Promise<readonly number[]> {
  const text = await tools.describeTopic(TOPIC);
  return [...text.matchAll(/Partition: (\d+)\s.*Isr: ([\d,]*)/gu)]
    .filter(([, , isr = ""]) => !isr.split(",").includes(String(broker)))
    .map(([, partition]) => Number(partition));
}

const rounded = (ms: number) => `${Math.round(ms)} ms`;

describe("sidecar broker", () => {
  test(
    "tells a broker that was killed from its neighbours, and reads on past a partition without a leader",
    stage.act(async ({ kafka, sidecars }) => {
      const others = [sidecars.of(0), sidecars.of(2)];
      const watches = others.map((each) => openWatch(each.live));
      const sinceMs = performance.now();
      await kafka.broker(1).kill("SIGKILL");
      const own = await sidecars.of(1).seenAfter(sinceMs, "live", dead);
      expect(checkIn(own.probed, "broker-answers").reason).toContain("process is gone");
      expect(own.probed.body.error).toStartWith("failed to fetch metadata: ");
      expect(own.afterMs).toBeLessThan(2 * seenWithinMs(INTERVAL_MS));
      expect((await sidecars.of(1).ready()).code).toBe(503);
      expect((await sidecars.of(1).startup()).code).toBe(503);
      say(`killed: its own sidecar fails live after ${rounded(own.afterMs)}`);
      const warned: number[] = [];
      for (const each of others) {
        const unsafe = await each.seenAfter(
          sinceMs,
          "restart-safe",
          ({ body }) => body.blockingTotal === PARTITIONS,
        );
        expect(unsafe.probed.code).toBe(503);
        for (const { waitingFor, topic, minInsyncReplicas } of unsafe.probed.body.blocking ?? []) {
          expect({ waitingFor, topic, minInsyncReplicas }).toEqual({
            ...{ waitingFor: [1], topic: TOPIC, minInsyncReplicas: 2 },
          });
        }
        const ready = await each.seenAfter(sinceMs, "ready", well);
        const followers = checkIn(ready.probed, "followers-in-sync");
        // Which of them leads how many depends on what befell the cluster before.
        if (!followers.reason.startsWith("leads 0 ")) {
          expect(followers.status).toBe("warn");
          expect(followers.reason).toContain("broker 1");
          warned.push(each.id);
        }
        for (const check of ["broker-registered", "quorum-leader", "replicas-in-sync"]) {
          expect(statusOf(ready.probed, check)).toBe("pass");
        }
        // The partition that lies on the dead broker alone has no leader; all else is still read.
        expect(await each.metric("outrider_broker_offline_partitions")).toBe(1);
        say(
          `killed: sidecar ${each.id} says not safe to stop after ${rounded(unsafe.afterMs)}, ready again by ${rounded(ready.afterMs)}`,
        );
      }
      expect(warned).not.toEqual([]);
      expect(await lacking(kafka, 1)).toHaveLength(PARTITIONS);
      const backMs = performance.now();
      await kafka.broker(1).start();
      const back = await sidecars.of(1).seenAfter(backMs, "ready", well);
      say(`killed: ready ${rounded(back.afterMs)} after the start began`);
      for (const watch of watches) {
        const seen = await watch.stop();
        expect(seen.lost).toEqual([]);
        expect([...seen.codes]).toEqual([200]);
      }
    }),
    LIMIT_MS,
  );

  test(
    "sees a broker that hangs within two rounds, and answers in time meanwhile",
    stage.act(async ({ kafka, sidecars, undo }) => {
      const own = await sidecars.start(2, { intervalMs: DEFAULT_INTERVAL_MS });
      await own.seenAfter(performance.now(), "ready", well);
      const neighbour = sidecars.of(0);
      const watches = [own.live, own.ready, neighbour.live].map(watchClosely);
      const pace = await openPace();
      undo(pace.stop);
      const sinceMs = performance.now();
      await kafka.broker(2).kill("SIGSTOP");
      const { probed, afterMs } = await own.seenAfter(sinceMs, "live", dead);
      expect(checkIn(probed, "broker-answers").reason).toContain("silent");
      say(`SIGSTOP: live fails after ${rounded(afterMs)}, with PROBE_INTERVAL 2s`);
      const unsafe = await neighbour.seenAfter(
        sinceMs,
        "restart-safe",
        ({ body }) => body.blockingTotal === PARTITIONS,
      );
      expect(checkIn(unsafe.probed, "restart-safe").reason).toContain("broker 2");
      say(`SIGSTOP: its neighbour is not safe to stop after ${rounded(unsafe.afterMs)}`);
      expect((await own.fresh("live")).code).toBe(503);
      const onMs = performance.now();
      await kafka.broker(2).kill("SIGCONT");
      const back = await own.seenAfter(onMs, "live", well);
      const ready = await own.seenAfter(onMs, "ready", well);
      say(`SIGCONT: live after ${rounded(back.afterMs)}, ready after ${rounded(ready.afterMs)}`);
      const seen = await Promise.all(watches.map((watch) => watch.stop()));
      const slack = await pace.stop();
      expect(afterMs).toBeLessThan(seenWithinMs(DEFAULT_INTERVAL_MS) + slack.worstMs);
      for (const each of seen) {
        say(`SIGSTOP: ${watchedText(each)}; slack of p99 ${rounded(slack.p99Ms)}`);
        expect(each.lost).toEqual([]);
        // Of a hundred, one may have waited for a CPU; none for a broker.
        expect(each.p99Ms).toBeLessThan(ANSWER_MS + slack.p99Ms);
        expect(each.worstMs).toBeLessThan(DEFAULT_INTERVAL_MS);
      }
      expect([...(seen.at(-1)?.codes ?? [])]).toEqual([200]);
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "has brokers that hang together restarted in turn, also when the first of them is back",
    stage.act(async ({ kafka, sidecars }) => {
      const turnMs = 6000;
      const env = { LIVENESS_BRAKE: `${turnMs}ms` };
      const start = (id: number) => sidecars.start(id, { env });
      const braked = [await start(0), await start(1), await start(2)] as const;
      const [first, second, third] = braked;
      for (const each of braked) await each.seenAfter(performance.now(), "ready", well);
      const sinceMs = performance.now();
      await Promise.all(kafka.brokers.map((each) => each.kill("SIGSTOP")));
      const once = await first.seenAfter(sinceMs, "live", dead);
      say(`all hang: the first fails live after ${rounded(once.afterMs)}`);
      expect(once.afterMs).toBeLessThan(seenWithinMs(INTERVAL_MS));
      for (const each of [second, third]) {
        const isHeld = (probed: Probed) => statusOf(probed, "broker-answers") === "unknown";
        const held = await each.seenAfter(sinceMs, "ready", isHeld);
        expect(held.probed.code).toBe(503);
        expect(held.probed.body.error).toContain("0 of 2 other brokers asked answered");
        expect((await each.live()).code).toBe(200);
      }
      expect((await first.live()).code).toBe(503);
      await kafka.broker(0).kill("SIGCONT");
      for (const [turn, each] of [second, third].entries()) {
        const dueMs = (turn + 1) * turnMs;
        const own = await each.seenAfter(sinceMs, "live", dead);
        say(
          `all hang: turn ${turn + 1}, due after ${dueMs} ms, came after ${rounded(own.afterMs)}`,
        );
        expect(own.afterMs).toBeGreaterThan(dueMs - INTERVAL_MS);
        expect(own.afterMs).toBeLessThan(dueMs + seenWithinMs(INTERVAL_MS));
      }
      const onMs = performance.now();
      await Promise.all(kafka.brokers.map((each) => each.kill("SIGCONT")));
      for (const each of braked) await each.seenAfter(onMs, "ready", well);
      for (const each of braked) await each.process.stop();
    }),
    LIMIT_MS,
  );

  testOnKraft(
    "keeps a broker alive without a quorum, and takes one that waits for it as starting",
    stage.act(async ({ kafka, sidecars }) => {
      const third = sidecars.of(2);
      const watch = openWatch(third.live);
      const sinceMs = performance.now();
      await Promise.all([kafka.broker(0).kill("SIGKILL"), kafka.broker(1).kill("SIGKILL")]);
      const lost = await third.seenAfter(
        sinceMs,
        "ready",
        ({ body }) => body.error === "no controller elected",
      );
      expect(lost.probed.code).toBe(503);
      expect(lost.probed.body.controllerElected).toBe(false);
      say(`no quorum: ready fails with "no controller elected" after ${rounded(lost.afterMs)}`);
      const stable = performance.now() + 5 * INTERVAL_MS;
      await until("five rounds", () => performance.now() > stable, { deadlineMs: LIMIT_MS });
      expect((await third.ready()).body.error).toBe("no controller elected");
      const seen = await watch.stop();
      expect([...seen.codes]).toEqual([200]);

      await kafka.broker(2).kill("SIGKILL");
      const againMs = performance.now();
      const started = kafka.broker(2).start();
      const starting = await third.seenAfter(againMs, "startup", (probed) =>
        checkIn(probed, "broker-answers").reason.startsWith("starting for"),
      );
      expect(starting.probed.code).toBe(503);
      say(`no quorum: "${starting.probed.body.progress}" after ${rounded(starting.afterMs)}`);
      const waiting = openWatch(third.live);
      // Kafka itself waits for a quorum with its listener closed: for longer than it took to start before.
      const rounds = 8;
      await until("rounds without a quorum", () => waiting.seen().rounds >= rounds, {
        deadlineMs: LIMIT_MS,
      });
      expect((await third.startup()).code).toBe(503);
      expect((await third.ready()).code).toBe(503);
      const backMs = performance.now();
      await Promise.all([started, kafka.broker(0).start(), kafka.broker(1).start()]);
      const up = await third.seenAfter(backMs, "startup", well);
      const waited = await waiting.stop();
      say(`no quorum: live 200 for ${waited.rounds} rounds; started ${rounded(up.afterMs)} after`);
      expect([...waited.codes]).toEqual([200]);
      expect(waited.lost).toEqual([]);
    }),
    LIMIT_MS,
  );

  test(
    "says whom to wait for while a follower is away, and that stopping is safe when it has caught up",
    stage.act(async ({ kafka, sidecars }) => {
      const [first, second] = [sidecars.of(0), sidecars.of(1)];
      const sinceMs = performance.now();
      await kafka.broker(2).stop();
      const unsafe = await first.seenAfter(
        sinceMs,
        "restart-safe",
        ({ body }) => body.blockingTotal === PARTITIONS,
      );
      const rows = unsafe.probed.body.blocking ?? [];
      expect(rows.map(({ partition }) => partition).sort()).toEqual(
        [...(await lacking(kafka, 2))].sort(),
      );
      for (const row of rows) expect(row.waitingFor).toEqual([2]);
      expect(unsafe.probed.body.error).toContain("waiting for broker 2");
      say(`follower stopped: not safe after ${rounded(unsafe.afterMs)}`);
      const impatient = await second.drain(2);
      expect({ code: impatient.code, ending: impatient.ending }).toEqual({
        ...{ code: 503, ending: "timeout" },
      });
      expect(impatient.error).toContain("waiting for broker 2");

      await kafka.tools.produce(
        TOPIC,
        Array.from({ length: 500 }, (_, n) => ({ key: String(n), value: "x".repeat(2000) })),
      );
      const patient = second.drain(60);
      const backMs = performance.now();
      await kafka.broker(2).start();
      const drained = await patient;
      expect({ code: drained.code, safe: drained.safe }).toEqual({ code: 200, safe: true });
      expect(drained.waitedFor.join()).toContain("broker 2");
      expect(await lacking(kafka, 2)).toEqual([]);
      const safe = await first.seenAfter(backMs, "restart-safe", well);
      say(
        `follower back: safe ${rounded(safe.afterMs)} after its start began; a drain waited ${rounded(drained.waitedMs)}`,
      );
    }),
    LIMIT_MS,
  );
});
