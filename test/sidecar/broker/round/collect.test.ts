/** A snapshot of a silent or healthy local broker, and a played cluster: whom it asks, and whom it believes. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { openOutageWatch } from "../../../../sidecar/broker/outage/outage.ts";
import { openLocalBroker } from "../../../../sidecar/broker/read/local-broker.ts";
import { openOtherBrokers } from "../../../../sidecar/broker/read/other-brokers.ts";
import { openSnapshots } from "../../../../sidecar/broker/round/collect.ts";
import { playBroker } from "../../../shared/kafka/played-broker.ts";
import { playedMetadata } from "../read/played-answers.ts";

const METADATA = 3;
/** Its half must do for a first connection on a busy machine. */
const DEADLINE_MS = 1_000;
/** Of a round that ends with its last answer: a well broker is given half of it before another one is asked. */
const LONG_MS = 20_000;
const LOOPBACK = "127.0.0.1";
const SETTINGS = { clientId: "x", brokers: [] };

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const log = () => {};

function snapshotsOf(localPort: number, otherPort: number, deadlineMs = DEADLINE_MS) {
  const local = openLocalBroker({
    ...{ brokerId: 0, address: { host: LOOPBACK, port: localPort }, settings: SETTINGS },
    askOther: () => Promise.reject(new Error("nobody leads")),
    askAny: () => Promise.reject(new Error("nobody leads")),
    ...{ credentials: () => "", log, clock: systemClock },
  });
  const cluster = openOtherBrokers({
    others: [`${LOOPBACK}:${otherPort}`],
    ...{ settings: SETTINGS, resolve: () => Promise.resolve(), log },
  });
  closing.push(local.close, cluster.close);
  let counted = 0;
  const count = () => {
    counted += 1;
    return Promise.resolve({ known: 2, asked: 2, answered: 0, untaken: 0 });
  };
  const silence = openOutageWatch({ peers: { count, rest: () => {} }, clock: systemClock });
  const finder = {
    asking: () => () => {},
    portHolder: () => undefined,
    backlog: () => undefined,
    listensAt: () => [],
    look: () => ({ kind: "hidden", reason: "not looked for" }) as const,
  };
  const snapshots = openSnapshots({
    ...{ brokerId: 0, deadlineMs, local, cluster, silence, finder, clock: systemClock },
  });
  return {
    take: () => snapshots.take(new AbortController().signal),
    counted: () => counted,
  };
}

async function played() {
  const asked: number[] = [];
  const broker = await playBroker(
    (apiKey) => {
      asked.push(apiKey);
      return playedMetadata();
    },
    [[METADATA, 0, 12]],
  );
  closing.push(broker.close);
  return { asked, port: broker.address.port };
}

test("a silent broker's cluster is read from another one in the same round, and it is silent since then", async () => {
  const mute = Bun.listen({ hostname: LOOPBACK, port: 0, socket: { data: () => {} } });
  closing.push(() => mute.stop(true));
  const other = await played();
  const { take, counted } = snapshotsOf(mute.port, other.port);
  const beganMs = performance.now();
  const first = await take();
  expect(first).toMatchObject({
    answer: { kind: "silent" },
    metadata: { kind: "read", value: { from: "cluster" } },
    silence: { forMs: 0, isShared: false, peers: undefined },
  });
  expect(counted()).toBe(0);
  const { silence } = await take();
  expect(silence).toMatchObject({ isShared: true, peers: { asked: 2, answered: 0 } });
  expect(silence?.forMs).toBeWithin(DEADLINE_MS - 1, performance.now() - beganMs);
});

test("nobody else is asked while the local broker is well", async () => {
  const [local, other] = [await played(), await played()];
  const { take, counted } = snapshotsOf(local.port, other.port, LONG_MS);
  for (const _round of [1, 2]) {
    expect(await take()).toMatchObject({
      answer: { kind: "answered" },
      metadata: { kind: "read", value: { from: "local" } },
      silence: undefined,
    });
  }
  expect(other.asked).toEqual([]);
  expect(counted()).toBe(0);
});
