/** Faults that are the sidecar's own or its surroundings', and none of Kafka's. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { constants, networkInterfaces, setPriority } from "node:os";
import { join } from "node:path";
import { checkIn, type Probed } from "../bed/broker-sidecar/answer.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch } from "../bed/broker-sidecar/watch.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { freePort } from "../bed/port.ts";
import { say } from "./say.ts";

const LIMIT_MS = 120_000;
const OPEN_MS = 120_000;
const INTERVAL_MS = 1000;

const stage = brokerStage({ kafka: {}, sidecars: { intervalMs: INTERVAL_MS, nodes: [] } });

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const rounded = (ms: number) => `${Math.round(ms)} ms`;
const well = ({ code }: Probed) => code === 200;

/** Without an IPv6 loopback there is nothing to try. */
const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);
const testOnIpv6: (name: string, act: () => Promise<void>, limitMs: number) => void = hasIpv6
  ? test
  : (name) => say(`no IPv6 here: not tried: ${name}`);

/** Gives the broker one more listener, on [::1] alone, and starts it again. @returns its port */
async function listenOnIpv6({ broker }: KafkaBed): Promise<number> {
  const port = await freePort("::1");
  const path = join(broker(0).dir, "server.properties");
  const text = await readFile(path, "utf8");
  const more = (name: string, listener: string) => (properties: string) =>
    properties.replace(new RegExp(`^${name}=.*$`, "mu"), (line) => `${line},${listener}`);
  const with6 = [
    ...["listeners", "advertised.listeners"].map((name) => more(name, `SIX://[::1]:${port}`)),
    more("listener.security.protocol.map", "SIX:PLAINTEXT"),
  ].reduce((properties, change) => change(properties), text);
  await broker(0).stop();
  await writeFile(path, with6);
  await broker(0).start();
  return port;
}

/** It excuses a round in which it got no CPU: beside other tests it gets its share, where we may give it. */
function preferred(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Not root: it has the more time.
  }
}

describe("sidecar broker", () => {
  test(
    "skips a bootstrap name that does not resolve, and names it",
    stage.act(async ({ kafka, sidecars }) => {
      const dead = "kafka-3.kafka.invalid:9092";
      const sinceMs = performance.now();
      const bootstrap = `${dead},${kafka.bootstrap}`;
      const own = await sidecars.start(0, { env: { BOOTSTRAP_SERVERS: bootstrap } });
      const ready = await own.seenAfter(sinceMs, "ready", well);
      say(`dead name: ready ${rounded(ready.afterMs)} after the sidecar's start`);
      const watch = openWatch(own.ready);
      await until("rounds", () => watch.seen().rounds >= 5, { deadlineMs: LIMIT_MS });
      expect([...(await watch.stop()).codes]).toEqual([200]);
      await until("the name in the log", () => own.process.output().includes("kafka-3.kafka"), {
        deadlineMs: LIMIT_MS,
      });
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "does not know a broker dead whose process it cannot see, but as the original with LIVENESS=cluster",
    stage.act(async ({ sidecars }) => {
      // A port that is none of the Kafka's that can be seen here.
      const at = `127.0.0.1:${await freePort()}`;
      const env = { LOCAL_BROKER: at, BOOTSTRAP_SERVERS: at };
      const own = await sidecars.start(0, { env });
      const strict = await sidecars.start(0, { env: { ...env, LIVENESS: "cluster" } });
      preferred(strict.process.pid);
      const { probed } = await strict.seenAfter(
        performance.now(),
        "live",
        (each) => !well(each),
        LIMIT_MS / 2,
      );
      expect(probed.body.error).toStartWith("failed to fetch metadata: ");
      say(`LIVENESS=cluster: "${probed.body.error}"`);
      expect((await own.fresh("ready")).code).toBe(503);
      expect((await own.live()).code).toBe(200);
      await own.process.stop();
      await strict.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "never blames Kafka for its own pause, and starts anew without a word against it",
    stage.act(async ({ sidecars }) => {
      const own = await sidecars.start(0);
      await own.seenAfter(performance.now(), "ready", well);
      const watch = openWatch(own.live);
      for (const rounds of [0.5, 1.5, 4, 8]) {
        own.process.kill("SIGSTOP");
        const endsMs = performance.now() + rounds * INTERVAL_MS;
        await until("the pause to end", () => performance.now() > endsMs, { deadlineMs: LIMIT_MS });
        own.process.kill("SIGCONT");
        const onMs = performance.now();
        const { afterMs } = await own.seenAfter(onMs, "ready", (probed) => {
          return well(probed) && (probed.roundMs ?? 0) > onMs;
        });
        say(`own pause of ${rounds} rounds: a new round says ready after ${rounded(afterMs)}`);
      }
      const seen = await watch.stop();
      expect([...seen.codes]).toEqual([200]);

      own.process.kill("SIGKILL");
      await own.process.exited;
      const sinceMs = performance.now();
      const again = await sidecars.start(0, { env: { PORT: own.env["PORT"] ?? "" } });
      const lives = openWatch(again.live);
      const { afterMs } = await again.seenAfter(sinceMs, "ready", well);
      say(`own restart: ready after ${rounded(afterMs)}`);
      expect([...(await lives.stop()).codes]).toEqual([200]);
      await again.process.stop();
    }),
    LIMIT_MS,
  );

  testOnIpv6(
    "finds a Kafka that listens on [::1] alone, and at 127.0.0.1 says what was tried and where it listens",
    stage.act(async ({ kafka, sidecars }) => {
      const port = await listenOnIpv6(kafka);
      const elsewhere = await sidecars.start(0, { env: { LOCAL_BROKER: `127.0.0.1:${port}` } });
      const { probed } = await elsewhere.seenAfter(performance.now(), "startup", ({ body }) =>
        JSON.stringify(body).includes(`[::1]:${port}`),
      );
      expect(probed.code).toBe(503);
      const { status, reason } = checkIn(probed, "broker-answers");
      say(`[::1] alone: "${reason}"`);
      expect(status).toBe("unknown");
      expect(reason).toMatch(
        new RegExp(`^starting for .*127\\.0\\.0\\.1:${port}.*ECONNREFUSED`, "u"),
      );
      const [, where = ""] =
        /Kafka's process listens on (.*) \(is LOCAL_BROKER one/u.exec(reason) ?? [];
      expect(where.split(", ")).toContain(`[::1]:${port}`);
      expect(where.split(", ")).toContain(`127.0.0.1:${kafka.broker(0).port}`);
      expect((await elsewhere.live()).code).toBe(200);
      await elsewhere.process.stop();
      const there = await sidecars.start(0, { env: { LOCAL_BROKER: `[::1]:${port}` } });
      await there.seenAfter(performance.now(), "ready", well);
      await there.process.stop();
      const bare = await sidecars.start(0, { env: { LOCAL_BROKER: "::1" } });
      expect((await bare.ready()).body.error).toContain(
        "whose port is ambiguous: write [::1]:9092",
      );
      expect((await bare.live()).code).toBe(200);
      await bare.process.stop();
    }),
    LIMIT_MS,
  );
});
