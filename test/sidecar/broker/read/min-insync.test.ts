/** Which topics are asked for, and how often, on a played broker. */

import { afterEach, expect, test } from "bun:test";
import { openRenewableConnection } from "../../../../sidecar/broker/read/connection.ts";
import { openMinInsyncReader } from "../../../../sidecar/broker/read/min-insync.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { clockOf } from "../../../clock.ts";
import { playBroker } from "../../../shared/kafka/played-broker.ts";
import { cluster, partition } from "../snapshot-sample.ts";
import { playedConfigs } from "./played-answers.ts";

const CONFIGS = 32;
const TOPICS = 450;
const SLOWER = 20;
const MINUTE_MS = 60_001;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const nameOf = (number: number): string => `t${number}`;
const names = Array.from({ length: TOPICS }, (_, number) => nameOf(number));
/** Topic 0 is another broker's. */
const { topics } = cluster(
  Object.fromEntries(names.map((name, at) => [name, [partition(0, [at === 0 ? 9 : 0], [0])]])),
);

async function open(refused: ReadonlySet<string>) {
  let passedMs = 0;
  const clock = clockOf({ monotonicMs: () => performance.now() + passedMs });
  const requests: (readonly string[])[] = [];
  const played = await playBroker(
    (_key, body) => {
      const text = body.bytes.toString("latin1");
      const asked = names.filter((name) =>
        text.includes(`\0${String.fromCharCode(name.length)}${name}\0`),
      );
      requests.push(asked);
      return playedConfigs(asked, refused);
    },
    [[CONFIGS, 1, 3]],
  );
  const settings = { clientId: "x", brokers: [] };
  const options = { address: played.address, settings, credentials: () => "", log: () => {} };
  const connection = openRenewableConnection({ ...options, clock });
  closing.push(() => connection.drop("the test is over"), played.close);
  const reader = openMinInsyncReader({ brokerId: 0, connection, clock });
  const read = async () => {
    const { signal } = new AbortController();
    const clock = openRoundClock({
      deadlineMs: 5000,
      // What is not here by 500 ms of a round comes in the next one: a busy machine is to have time.
      clock: clockOf({ monotonicMs: () => performance.now() / SLOWER }),
      signal,
    });
    const reading = await reader.read(topics, clock);
    clock.stop();
    return reading.kind === "read" ? reading.value.size : reading;
  };
  return { reader, requests, read, pass: (ms: number) => (passedMs += ms) };
}

test("read() gets through all topics with a replica here in one round, and no others", async () => {
  const { requests, read } = await open(new Set());
  expect(await read()).toBe(TOPICS - 1);
  expect(requests.map((asked) => asked.length)).toEqual([200, 200, 49]);
  expect(new Set(requests.flat()).size).toBe(TOPICS - 1);
  expect(requests.flat()).not.toContain(nameOf(0));
});

test("read() asks for a refused topic as seldom as for the others, and keeps Kafka's words", async () => {
  const { reader, requests, read, pass } = await open(new Set([nameOf(7), nameOf(300)]));
  expect(await read()).toBe(TOPICS - 3);
  expect(reader.trouble()?.detail).toContain("TOPIC_AUTHORIZATION_FAILED");
  expect(await read()).toBe(TOPICS - 3);
  expect(requests).toHaveLength(3);
  pass(MINUTE_MS);
  expect(await read()).toBe(TOPICS - 3);
  expect(requests).toHaveLength(6);
});

test("read() fails with what Kafka says when all are refused", async () => {
  const { read, requests } = await open(new Set(names));
  expect(await read()).toMatchObject({ kind: "failed", error: { code: "authorization" } });
  expect(requests).toHaveLength(3);
});
