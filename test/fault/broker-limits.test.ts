/**
 * A broker that delays or refuses us, as its settings have it, while it serves everybody else: no reason to
 * restart it. Quotas on requests and limits of connections.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { metadataRequest } from "../../shared/kafka/api/metadata.ts";
import { openBrokerConnection } from "../../shared/kafka/connection/connection.ts";
import { checkIn, type Probed, probeText } from "../bed/broker-sidecar/answer.ts";
import type { Sidecar } from "../bed/broker-sidecar/sidecar.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch } from "../bed/broker-sidecar/watch.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { say } from "./say.ts";

const LIMIT_MS = 120_000;
const OPEN_MS = 120_000;
const INTERVAL_MS = 1000;
const CLIENTS = 60;
const CONNECTIONS_MAX = 20;
/** As Kafka's console tools name themselves to a broker. */
const TOOL_CLIENT_ID = "adminclient-1";
/** Who is still connected by then was taken. */
const TAKEN_MS = 50;
/** The window of a quota, and so the longest time for which it mutes us, is 5 s. */
const ROUNDS = 12;

const stage = brokerStage({
  kafka: { properties: { "quota.window.size.seconds": "5" } },
  sidecars: { intervalMs: INTERVAL_MS, nodes: [] },
});

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const well = ({ code }: Probed) => code === 200;

async function configure({ tools }: KafkaBed, words: readonly string[]): Promise<void> {
  const CONFIGS = "org.apache.kafka.tools.ConfigCommand";
  await tools.run(CONFIGS, ["--bootstrap-server", tools.bootstrap, "--alter", ...words]);
}

/** Clients that ask for metadata again and again, each over a connection of its own. */
function flood({ brokers }: KafkaBed) {
  const address = { host: "127.0.0.1", port: brokers[0]?.port ?? 0 };
  const served = new Map<number, number>();
  let over = false;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    const link = openBrokerConnection(address, { clientId: "flood", brokers: [] }, () => {});
    while (!over) {
      const { ok } = await link.send(metadataRequest("all"), { deadlineMs: LIMIT_MS });
      if (!ok) break;
      served.set(client, (served.get(client) ?? 0) + 1);
    }
    link.drop("the test is over");
  });
  return {
    served: () => served.size,
    again: () => served.clear(),
    stop: async () => {
      over = true;
      await Promise.all(clients);
    },
  };
}

/** Takes all the connections that are left for this address, and those that are given back. */
async function takeTheRest({ brokers }: KafkaBed) {
  const held = new Set<Socket>();
  let refused = 0;
  let over = false;
  const takeOne = async () => {
    const socket = connect({ host: "127.0.0.1", port: brokers[0]?.port ?? 0 });
    held.add(socket);
    const ended = new Promise<void>((resolve) => {
      socket.on("error", () => {});
      socket.on("close", () => {
        held.delete(socket);
        refused += 1;
        resolve();
      });
    });
    await Promise.race([ended, Bun.sleep(TAKEN_MS)]);
  };
  const taking = (async () => {
    while (!over) await takeOne();
  })();
  await until("connections that are refused", () => refused >= 3, { deadlineMs: LIMIT_MS });
  return async () => {
    over = true;
    await taking;
    for (const socket of held) socket.destroy();
  };
}

async function sawRounds(own: Sidecar, rounds: number) {
  const watch = openWatch(own.live);
  await until("rounds", () => watch.seen().rounds >= rounds, { deadlineMs: LIMIT_MS });
  return await watch.stop();
}

describe("sidecar broker", () => {
  test(
    "is alive, and says why it is not ready, while a quota holds back all that its user asks",
    stage.act(async ({ kafka, sidecars, undo }) => {
      const own = await sidecars.start(0);
      await own.seenAfter(performance.now(), "ready", well);
      const quota = ["--entity-type", "users", "--entity-default"];
      // The tool that takes the quota back is not to be held back by it.
      const exempt = [...quota, "--entity-type", "clients", "--entity-name", TOOL_CLIENT_ID];
      await configure(kafka, [...exempt, "--add-config", "request_percentage=10000"]);
      await configure(kafka, [...quota, "--add-config", "request_percentage=1"]);
      undo(() => configure(kafka, [...quota, "--delete-config", "request_percentage"]));
      const clients = flood(kafka);
      undo(clients.stop);
      const held = await own.seenAfter(performance.now(), "live", ({ body }) =>
        body.checks.some(({ reason }) => reason.includes("quota mutes us")),
      );
      say(`quota: ${probeText(held.probed)}`);
      clients.again();
      const fresh = await sidecars.start(0);
      const seen = await Promise.all([own, fresh].map((each) => sawRounds(each, ROUNDS)));
      say(`quota: ${clients.served()} of ${CLIENTS} clients served meanwhile`);
      for (const { codes, changes } of seen) {
        say(`quota: live ${[...codes].join()} of ${changes.length} changes`);
        expect({ codes: [...codes], changes: changes.filter(({ code }) => code !== 200) }).toEqual({
          codes: [200],
          changes: [],
        });
      }
      expect(clients.served()).toBe(CLIENTS);
      for (const { changes } of seen) {
        expect(changes.filter(({ text }) => text.includes("quorum-leader fail"))).toEqual([]);
      }
      say(`quota: ready says ${probeText(await own.ready())}`);
      await fresh.process.stop();
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "keeps its connections while others take all that are left, also over a slow round",
    stage.act(async ({ kafka, sidecars, undo }) => {
      const own = await sidecars.start(0);
      await own.seenAfter(performance.now(), "ready", well);
      const limit = ["--entity-type", "brokers", "--entity-default"];
      const entry = `max.connections.per.ip=${CONNECTIONS_MAX}`;
      await configure(kafka, [...limit, "--add-config", entry]);
      undo(() => configure(kafka, [...limit, "--delete-config", "max.connections.per.ip"]));
      const letGo = await takeTheRest(kafka);
      undo(letGo);
      const broker = kafka.broker(0);
      undo(() => broker.kill("SIGCONT"));
      await broker.kill("SIGSTOP");
      const silent = await own.seenAfter(performance.now(), "live", ({ code }) => code === 503);
      expect(checkIn(silent.probed, "broker-answers").reason).toContain("silent");
      const onMs = performance.now();
      await broker.kill("SIGCONT");
      const back = await own.seenAfter(onMs, "live", well);
      say(`limit of connections: live ${Math.round(back.afterMs)} ms after the slow round`);
      const ready = await own.seenAfter(onMs, "ready", well);
      say(`limit of connections: ready ${Math.round(ready.afterMs)} ms after it`);
      expect([...(await sawRounds(own, 5)).codes]).toEqual([200]);
      // One that starts now gets no connection at all.
      const fresh = await sidecars.start(0);
      const cut = await fresh.seenAfter(performance.now(), "ready", ({ body }) =>
        (body.error ?? "").includes("closed at once"),
      );
      say(`limit of connections: a new sidecar says ${probeText(cut.probed)}`);
      expect([...(await sawRounds(fresh, 5)).codes]).toEqual([200]);
      const freeMs = performance.now();
      await letGo();
      const got = await fresh.seenAfter(freeMs, "ready", well);
      say(`limit of connections: and is ready ${Math.round(got.afterMs)} ms after they are free`);
      await fresh.process.stop();
      await own.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "waits for its turn where new connections are not taken, and still sees a process that stands still",
    stage.act(async ({ kafka, sidecars, undo }) => {
      const limit = ["--entity-type", "brokers", "--entity-name", "0"];
      const name = "listener.name.plaintext.max.connections";
      await configure(kafka, [...limit, "--add-config", `${name}=${CONNECTIONS_MAX}`]);
      undo(() => configure(kafka, [...limit, "--delete-config", name]));
      const held = Array.from({ length: CONNECTIONS_MAX }, () =>
        connect({ host: "127.0.0.1", port: kafka.broker(0).port }),
      );
      const letGo = () => {
        for (const socket of held) socket.destroy();
        return Promise.resolve();
      };
      undo(letGo);
      const fresh = await sidecars.start(0);
      const waits = await fresh.seenAfter(performance.now(), "ready", ({ body }) =>
        (body.error ?? "").includes("waiting, ours among them"),
      );
      say(`connections not taken: ${waits.probed.body.error}`);
      expect([...(await sawRounds(fresh, 5)).codes]).toEqual([200]);
      const looks = () => sidecars.run(["check", "live"], { ...fresh.env, PORT: "0" });
      expect(await looks()).toEqual({ code: 0, output: "live: healthy\n" });
      const sinceMs = performance.now();
      undo(() => kafka.broker(0).kill("SIGCONT"));
      await kafka.broker(0).kill("SIGSTOP");
      // One look that is itself short of CPU is excused.
      const alone = await until(
        "an exec probe that fails",
        async () => {
          const look = await looks();
          if (look.code === 0) throw new Error(look.output);
          return look;
        },
        { deadlineMs: OPEN_MS },
      );
      say(`connections not taken, SIGSTOP: an exec probe by itself says ${alone.output}`);
      expect(alone).toMatchObject({ code: 69, output: expect.stringContaining("is silent") });
      const dead = await fresh.seenAfter(sinceMs, "live", ({ code }) => code === 503);
      say(`connections not taken, SIGSTOP: live fails after ${Math.round(dead.afterMs)} ms`);
      await kafka.broker(0).kill("SIGCONT");
      const freeMs = performance.now();
      await letGo();
      const got = await fresh.seenAfter(freeMs, "ready", well);
      say(`connections not taken: ready ${Math.round(got.afterMs)} ms after they are free`);
      await fresh.process.stop();
    }),
    LIMIT_MS,
  );
});
