/** Nodes that are controllers alone or brokers alone, with a sidecar beside each. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch } from "../bed/broker-sidecar/watch.ts";
import { say } from "./say.ts";

const LIMIT_MS = 150_000;
const OPEN_MS = 150_000;
const BROKERS = [0, 1] as const;
const CONTROLLERS = [2, 3, 4] as const;
const PARTITIONS = 4;

const stage = brokerStage({
  kafka: {
    brokers: 2,
    controllers: 3,
    heap: "256m",
    properties: {
      "broker.heartbeat.interval.ms": "500",
      // Half of it is the time that a registration may take, also on a busy machine.
      "broker.session.timeout.ms": "6000",
      "replica.lag.time.max.ms": "4000",
    },
  },
  sidecars: {},
  prepare: ({ tools }) => tools.createTopic("orders", PARTITIONS, { "min.insync.replicas": "1" }),
});

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const rounded = (ms: number) => `${Math.round(ms)} ms`;
const well = ({ code }: Probed) => code === 200;
const dead = ({ code }: Probed) => code === 503;
const leaderless = ({ body }: Probed) => body.error === "no controller elected";

const LOST = /no controller elected|should lead the quorum, does not answer/u;

const statuses = (probed: Probed) =>
  Object.fromEntries(probed.body.checks.map(({ check, status }) => [check, status]));

describe("sidecar broker", () => {
  test(
    "asks of a controller what a controller has, and of a broker the rest",
    stage.act(async ({ sidecars }) => {
      for (const id of CONTROLLERS) {
        const ready = await sidecars.of(id).fresh("ready");
        expect(ready.code).toBe(200);
        expect(statuses(ready)).toMatchObject({
          ...{ "broker-answers": "pass", "quorum-leader": "pass", "metadata-caught-up": "pass" },
          ...{ "broker-registered": "skipped", "replicas-in-sync": "skipped" },
          ...{ "log-directories": "skipped", "followers-in-sync": "skipped" },
        });
        expect(checkIn(ready, "metadata-caught-up").reason).toStartWith("voter");
        expect((await sidecars.of(id).live()).code).toBe(200);
        expect((await sidecars.of(id).startup()).code).toBe(200);
      }
      for (const id of BROKERS) {
        const ready = await sidecars.of(id).fresh("ready");
        expect(statuses(ready)).toMatchObject({
          ...{ "broker-answers": "pass", "broker-registered": "pass", "quorum-leader": "pass" },
          ...{ "metadata-caught-up": "pass", "replicas-in-sync": "pass" },
          ...{ "log-directories": "pass", "followers-in-sync": "pass" },
        });
        expect(checkIn(ready, "metadata-caught-up").reason).toStartWith("observer");
        expect(checkIn(ready, "replicas-in-sync").reason).toContain(`${PARTITIONS} replicas`);
      }
    }),
    LIMIT_MS,
  );

  test(
    "tells of one controller lost, then of the quorum, and calls no other node dead",
    stage.act(async ({ kafka, sidecars }) => {
      const [gone, next, last] = CONTROLLERS;
      const lives = [...BROKERS, last].map((id) => openWatch(sidecars.of(id).live));
      const sinceMs = performance.now();
      await kafka.broker(gone).kill("SIGKILL");
      const own = await sidecars.of(gone).seenAfter(sinceMs, "live", dead);
      expect(checkIn(own.probed, "broker-answers").reason).toContain("process is gone");
      const unsafe = await sidecars
        .of(last)
        .seenAfter(
          sinceMs,
          "restart-safe",
          ({ code, body }) => code === 503 && (body.error ?? "").includes("majority"),
        );
      expect(unsafe.probed.body.error).toContain(`behind: ${gone}`);
      say(
        `controller killed: live fails after ${rounded(own.afterMs)}, another is not safe to stop after ${rounded(unsafe.afterMs)}`,
      );
      for (const id of [...BROKERS, next, last]) {
        await sidecars.of(id).seenAfter(sinceMs, "ready", well);
      }
      // The data is safe whatever the controllers do: the two replicas are in sync.
      const broker = await sidecars.of(0).seenAfter(sinceMs, "restart-safe", well);
      expect(broker.probed.body.blockingTotal).toBe(0);

      const lostMs = performance.now();
      await kafka.broker(next).kill("SIGKILL");
      for (const id of BROKERS) {
        const seen = await sidecars.of(id).seenAfter(lostMs, "ready", leaderless);
        expect(seen.probed.code).toBe(503);
        say(
          `quorum lost: broker ${id} says "no controller elected" after ${rounded(seen.afterMs)}`,
        );
      }
      // A controller goes on naming the leader that it has lost, or has resigned itself.
      const alone = await sidecars
        .of(last)
        .seenAfter(
          lostMs,
          "ready",
          ({ code, body }) => code === 503 && LOST.test(body.error ?? ""),
        );
      say(
        `quorum lost: controller ${last} says "${alone.probed.body.error}" after ${rounded(alone.afterMs)}`,
      );
      const backMs = performance.now();
      await Promise.all([kafka.broker(gone).start(), kafka.broker(next).start()]);
      for (const id of [...BROKERS, ...CONTROLLERS]) {
        await sidecars.of(id).seenAfter(backMs, "ready", well);
      }
      for (const watch of lives) {
        const { codes, lost } = await watch.stop();
        expect([...codes]).toEqual([200]);
        expect(lost).toEqual([]);
      }
    }),
    LIMIT_MS,
  );

  test(
    "tells a dead broker from its controllers",
    stage.act(async ({ kafka, sidecars }) => {
      const lives = CONTROLLERS.map((id) => openWatch(sidecars.of(id).live));
      const readies = CONTROLLERS.map((id) => openWatch(sidecars.of(id).ready));
      const sinceMs = performance.now();
      await kafka.broker(1).kill("SIGKILL");
      const own = await sidecars.of(1).seenAfter(sinceMs, "live", dead);
      const unsafe = await sidecars
        .of(0)
        .seenAfter(
          sinceMs,
          "restart-safe",
          ({ body }) =>
            body.blockingTotal === PARTITIONS && (body.error ?? "").includes("broker 1"),
        );
      expect(unsafe.probed.code).toBe(503);
      const other = await sidecars.of(0).seenAfter(sinceMs, "ready", well);
      expect(statuses(other.probed)["followers-in-sync"]).toBe("warn");
      say(
        `broker killed: live fails after ${rounded(own.afterMs)}, the other is not safe to stop after ${rounded(unsafe.afterMs)}`,
      );
      for (const watch of [...lives, ...readies]) {
        expect([...(await watch.stop()).codes]).toEqual([200]);
      }
    }),
    LIMIT_MS,
  );
});
