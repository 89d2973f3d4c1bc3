/**
 * Three brokers rolled one by one, each drained first, under a producer with acks=all on topics with
 * min.insync.replicas=2: not one produce may fail, nor be refused for want of replicas in sync.
 */
import { expect, test } from "bun:test";
import type { Sidecar } from "../bed/broker-sidecar/sidecar.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import type { Sidecars } from "../bed/broker-sidecar.ts";
import { until } from "../bed/condition.ts";
import { say } from "../fault/say.ts";

const LIMIT_MS = 240_000;
const TOPIC = "orders";
const PARTITIONS = 6;
const DRAIN_SECONDS = 60;
const BATCH = 20;
const EVERY_MS = 100;
/** A record that was refused for so long has failed. */
const DELIVERY_MS = "20000";
const SENT_MIN = 1000;

const STEPS = [
  [0, "http"],
  [1, "command"],
  [2, "http"],
] as const;

const stage = brokerStage({
  kafka: {
    brokers: 3,
    heap: "320m",
    properties: { "replica.lag.time.max.ms": "10000", "min.insync.replicas": "2" },
  },
  sidecars: {},
  prepare: ({ tools }) => tools.createTopic(TOPIC, PARTITIONS),
});

/** By HTTP as a preStop hook does it, or by the command. Resolves when it says that stopping is safe. */
async function drained(own: Sidecar, sidecars: Sidecars, how: "http" | "command"): Promise<void> {
  if (how === "http") {
    const { code, waitedMs, waitedFor } = await own.drain(DRAIN_SECONDS);
    expect(code).toBe(200);
    say(`roll: drain of ${own.id} waited ${Math.round(waitedMs)} ms (${waitedFor.join("; ")})`);
    return;
  }
  const sinceMs = performance.now();
  const { code, output } = await sidecars.run(["drain", `--timeout=${DRAIN_SECONDS}s`], own.env);
  expect({ code, output }).toMatchObject({ code: 0 });
  say(`roll: sidecar drain of ${own.id} took ${Math.round(performance.now() - sinceMs)} ms`);
}

test(
  "drain() lets a cluster be rolled without a failed produce",
  async () => {
    await stage.open();
    try {
      await stage.act(async ({ kafka, sidecars }) => {
        const producer = kafka.tools.openProducer(TOPIC, {
          properties: {
            acks: "all",
            "delivery.timeout.ms": DELIVERY_MS,
            "request.timeout.ms": "5000",
          },
        });
        let sent = 0;
        let stopped = false;
        const sending = (async () => {
          while (!stopped) {
            await producer.send(
              Array.from({ length: BATCH }, (_, n) => ({ key: String(sent + n), value: "order" })),
            );
            sent += BATCH;
            await Bun.sleep(EVERY_MS);
          }
        })();
        let started: Promise<void> | undefined;
        for (const [id, how] of STEPS) {
          const own = sidecars.of(id);
          // While the one before is still on its way back.
          await drained(own, sidecars, how);
          await started;
          await kafka.broker(id).stop();
          // Meanwhile no other one may go.
          const others = sidecars.all.filter((each) => each !== own);
          const asked = await Promise.all(others.map((each) => each.drain(1)));
          expect(asked.map(({ code }) => code)).toEqual([503, 503]);
          started = kafka.broker(id).start();
        }
        await drained(sidecars.of(0), sidecars, "http");
        await started;
        await until("enough records", () => sent >= SENT_MIN, { deadlineMs: LIMIT_MS });
        stopped = true;
        await sending;
        const { stderr } = await producer.close();
        const refusals = [...stderr.matchAll(/Error: ([A-Z_]+)/gu)].map(([, code = ""]) => code);
        say(`roll: ${sent} records; answers that made the producer try again: ${refusals.length}`);
        expect(refusals.filter((code) => code.startsWith("NOT_ENOUGH_REPLICAS"))).toEqual([]);
        const read = await kafka.tools.consume(TOPIC, { count: sent });
        expect(new Set(read.map(({ key }) => key)).size).toBe(sent);
        expect(read).toHaveLength(sent);
      })();
    } finally {
      await stage.close();
    }
  },
  LIMIT_MS,
);
