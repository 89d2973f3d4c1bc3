/** The heartbeat's loop, against a Kafka that a test turns on and off. */

import { expect, test } from "bun:test";
import * as v from "valibot";
import { type HeartbeatOptions, openHeartbeatSender } from "../../../agent/heartbeat/sender.ts";
import type { OutRecord } from "../../../shared/kafka/batch/record.ts";
import { type KafkaError, timeoutError } from "../../../shared/kafka/error.ts";
import { err, ok } from "../../../shared/result.ts";
import { until } from "../../bed/condition.ts";
import { clockOf } from "../../clock.ts";
import { clientId } from "../given.ts";

const SOON = { deadlineMs: 5000, intervalMs: 2 };
const Beat = v.object({
  sequence: v.number(),
  status: v.string(),
  reason: v.optional(v.string()),
  instance_id: v.string(),
});
type Beat = v.InferOutput<typeof Beat>;

function bed(options: { readonly intervalMs: number }) {
  const stop = new AbortController();
  const beats: Beat[] = [];
  const asked: boolean[] = [];
  const kafka: { failure: KafkaError | undefined; failSend: boolean } = {
    failure: undefined,
    failSend: false,
  };
  const counts = { sent: 0, lost: 0 };
  let trouble: string | undefined;
  const given: HeartbeatOptions = {
    clientId: clientId("af-10"),
    instanceId: "i-1",
    intervalMs: options.intervalMs,
    kafka: {
      reach: async (again) => {
        asked.push(again);
        await Bun.sleep(1);
        return kafka.failure === undefined ? ok(null) : err(kafka.failure);
      },
      send: async ({ value }: OutRecord) => {
        await Bun.sleep(1);
        if (kafka.failSend) return err(timeoutError("write", 1));
        beats.push(v.parse(Beat, JSON.parse(String(value))));
        return ok(null);
      },
    },
    clock: clockOf({ random: () => 0.5 }),
    resourcesSent: () => 0,
    trouble: () => trouble,
    changed: () => undefined,
    beatSent: () => {
      counts.sent += 1;
    },
    beatLost: () => {
      counts.lost += 1;
    },
  };
  const heartbeat = openHeartbeatSender(given);
  const running = heartbeat.run(stop.signal);
  return {
    heartbeat,
    beats,
    asked,
    kafka,
    counts,
    say: (text: string) => {
      trouble = text;
    },
    end: async () => {
      stop.abort();
      await running;
    },
  };
}

test("run() beats at once, then every interval, counting from 1", async () => {
  const { beats, end } = bed({ intervalMs: 20 });
  await until("three beats", () => beats.length >= 3, SOON);
  await end();
  expect(beats.slice(0, 3).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(beats[0]).toEqual({ sequence: 1, status: "healthy", instance_id: "i-1" });
});

test("run() keeps the newest beat alone while Kafka is away, and says what was lost", async () => {
  const { beats, kafka, counts, heartbeat, asked, end } = bed({ intervalMs: 20 });
  await until("a beat", () => beats.length > 0, SOON);
  kafka.failure = timeoutError("find topic", 1);
  await until("three lost beats", () => counts.lost >= 3, SOON);
  expect(heartbeat.delivery().kind).toBe("down");
  const before = beats.length;
  const lost = counts.lost;
  kafka.failure = undefined;
  await until("a beat again", () => beats.length > before, SOON);
  await end();
  const [last, next] = [beats[before - 1], beats[before]];
  expect((next?.sequence ?? 0) - (last?.sequence ?? 0)).toBeGreaterThan(lost);
  expect(next?.status).toBe("degraded");
  expect(next?.reason).toMatch(/^Kafka was away for \d+ s, \d+ beats not sent$/u);
  expect(asked).toContain(true);
  expect(asked[0]).toBe(false);
});

test("run() loses no beat when a failed one is the newest", async () => {
  const { beats, kafka, counts, heartbeat, end } = bed({ intervalMs: 60_000 });
  kafka.failSend = true;
  await until("a failure", () => heartbeat.delivery().kind === "down", SOON);
  kafka.failSend = false;
  await until("the beat", () => beats.length === 1, SOON);
  await end();
  expect(beats[0]).toEqual({ sequence: 1, status: "healthy", instance_id: "i-1" });
  expect(counts).toEqual({ sent: 1, lost: 0 });
});

test("run() beats as degraded while something else is wrong", async () => {
  const { beats, say, end } = bed({ intervalMs: 10 });
  say("registration not written");
  await until("a degraded beat", () => beats.some(({ status }) => status === "degraded"), SOON);
  await end();
  expect(beats.at(-1)?.reason).toBe("registration not written");
});

test("sayStopping() is the last beat, with the next number", async () => {
  const { beats, heartbeat, end } = bed({ intervalMs: 60_000 });
  await until("a beat", () => beats.length > 0, SOON);
  await end();
  expect(await heartbeat.sayStopping()).toBe(true);
  expect(beats.at(-1)).toEqual({ sequence: 2, status: "stopping", instance_id: "i-1" });
});

test("sayStopping() gives up when Kafka does not take it", async () => {
  const { heartbeat, kafka, end } = bed({ intervalMs: 60_000 });
  await end();
  kafka.failSend = true;
  expect(await heartbeat.sayStopping()).toBe(false);
});
