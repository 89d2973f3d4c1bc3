/** The other brokers, played on real sockets: who is asked for the metadata, and in which order. */
import { afterEach, describe, expect, test } from "bun:test";
import { openOtherBrokers } from "../../../../sidecar/broker/read/other-brokers.ts";
import { freePort } from "../../../bed/port.ts";
import { type PlayedAnswer, playBroker } from "../../../shared/kafka/played-broker.ts";
import { playedMetadata } from "./played-answers.ts";

const METADATA = 3;
const CALL = { deadlineMs: 1500 };
const KEYS = [[METADATA, 0, 12]] as const;
const DEAD_NAME = "nobody.invalid";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function broker(answer: () => PlayedAnswer = playedMetadata) {
  const asked: number[] = [];
  const played = await playBroker((apiKey) => {
    asked.push(apiKey);
    return answer();
  }, KEYS);
  closing.push(played.close);
  return { at: `127.0.0.1:${played.address.port}`, asked };
}

function mute(): string {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  closing.push(() => server.stop(true));
  return `127.0.0.1:${server.port}`;
}

type Told = readonly [message: string, fields: unknown];

function view(others: readonly string[], names: ReadonlySet<string> = new Set()) {
  const told: Told[] = [];
  const cluster = openOtherBrokers({
    others,
    settings: { clientId: "x", brokers: [] },
    resolve: (host) =>
      host === DEAD_NAME && !names.has(host)
        ? Promise.reject(new Error("ENOTFOUND"))
        : Promise.resolve(),
    log: (_level, message, fields) => {
      if (message.startsWith("replicas")) told.push([message, fields]);
    },
  });
  closing.push(cluster.close);
  return { cluster, told };
}

describe("metadata()", () => {
  test("asks the next one when the first is silent, within the time for all, and him first from then on", async () => {
    const good = await broker();
    const { cluster } = view([mute(), good.at]);
    const beganMs = performance.now();
    const first = await cluster.metadata(CALL);
    expect(first.ok && first.value.clusterId).toBe("cluster");
    expect(performance.now() - beganMs).toBeLessThan(CALL.deadlineMs);
    const againMs = performance.now();
    expect((await cluster.metadata(CALL)).ok).toBe(true);
    expect(performance.now() - againMs).toBeLessThan(CALL.deadlineMs / 2);
    expect(good.asked).toEqual([METADATA, METADATA]);
  });

  test("passes on from one that ends the connection", async () => {
    const bad = await broker(() => "end");
    const good = await broker();
    const { cluster } = view([bad.at, good.at]);
    expect((await cluster.metadata(CALL)).ok).toBe(true);
  });

  test("says what the first one did when nobody answers", async () => {
    const port = await freePort();
    const { cluster } = view([`127.0.0.1:${port}`, mute()]);
    const answer = await cluster.metadata(CALL);
    expect(!answer.ok && answer.error.detail).toContain(`127.0.0.1:${port}`);
  });

  test("says that nobody else is known", async () => {
    const { cluster } = view([]);
    expect(cluster.some).toBe(false);
    expect(await cluster.metadata(CALL)).toMatchObject({
      ok: false,
      error: { detail: "no other broker is known" },
    });
  });
});

describe("checkNames()", () => {
  test("names those without an address once, asks them last, and says when they have one again", async () => {
    const good = await broker();
    const names = new Set<string>();
    const dead = `${DEAD_NAME}:9092`;
    const { cluster, told } = view([dead, good.at], names);
    await cluster.checkNames();
    await cluster.checkNames();
    expect(cluster.unresolved()).toEqual([DEAD_NAME]);
    expect(told).toEqual([
      ["replicas whose names do not resolve are skipped", { lost: [DEAD_NAME] }],
    ]);
    expect((await cluster.metadata(CALL)).ok).toBe(true);
    names.add(DEAD_NAME);
    await cluster.checkNames();
    expect(cluster.unresolved()).toEqual([]);
    expect(told[1]).toEqual(["replicas whose names resolve again", { found: [DEAD_NAME] }]);
  });
});
