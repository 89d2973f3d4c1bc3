/** A broker that delays or refuses us is no silent one, and the connection that we have is not given up. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import type { KafkaSettings } from "../../../../shared/kafka/settings.ts";
import { openRenewableConnection } from "../../../../sidecar/broker/read/connection.ts";
import { openPing } from "../../../../sidecar/broker/read/ping.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { until } from "../../../bed/condition.ts";
import { freePort } from "../../../bed/port.ts";
import { type PlayedLimits, playBroker } from "../../../shared/kafka/played-broker.ts";

const ROUND_MS = 400;
const SOON = { deadlineMs: 3000 };

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const played = async (limits: PlayedLimits) => {
  const broker = await playBroker(() => "never", [], Number.POSITIVE_INFINITY, limits);
  closing.push(broker.close);
  return broker;
};

function pinged(port: number, security: Pick<KafkaSettings, "sasl"> = {}) {
  const connection = openRenewableConnection({
    address: { host: "127.0.0.1", port },
    settings: { clientId: "x", brokers: [], ...security },
    credentials: () => "",
    log: () => {},
    clock: systemClock,
  });
  closing.push(() => connection.drop("the test is over"));
  const ping = openPing(connection);
  const round = async () => {
    const clock = openRoundClock({
      deadlineMs: ROUND_MS,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    const { answer } = await ping.seek(clock);
    clock.stop();
    return answer;
  };
  return { connection, round };
}

test("a quota that mutes the connection is no silence until its time has passed, and nothing is dialled for it", async () => {
  let throttleMs = 0;
  let dials = 0;
  const takes = () => {
    dials += 1;
    return true;
  };
  const { address } = await played({ throttleMs: () => throttleMs, takes });
  const { round } = pinged(address.port);
  expect(await round()).toMatchObject({ kind: "answered" });
  throttleMs = 3 * ROUND_MS;
  expect(await round()).toMatchObject({ kind: "answered" });
  throttleMs = 0;
  for (const _muted of [1, 2]) {
    const answer = await round();
    expect(answer).toMatchObject({ kind: "throttled" });
    expect(JSON.stringify(answer)).toContain("the broker's quota mutes us for");
  }
  expect(await round()).toMatchObject({ kind: expect.stringMatching(/answered|throttled/u) });
  expect(await round()).toMatchObject({ kind: "answered" });
  expect(dials).toBe(1);
});

test("a quota also counts where it was told as the connection was opened", async () => {
  const { address } = await played({ throttleMs: () => 2 * ROUND_MS });
  expect(await pinged(address.port).round()).toMatchObject({ kind: "throttled" });
});

test("a connection that is silent stays open while another one is refused", async () => {
  let takes = true;
  let held = Promise.resolve();
  const broker = await playBroker(() => "never", [], Number.POSITIVE_INFINITY, {
    takes: () => takes,
    pause: () => held,
  });
  closing.push(broker.close);
  const { round, connection } = pinged(broker.address.port);
  expect(await round()).toMatchObject({ kind: "answered" });
  takes = false;
  const slow = Promise.withResolvers<void>();
  held = slow.promise;
  for (const _silent of [1, 2, 3]) expect(await round()).toMatchObject({ kind: "silent" });
  expect(connection.isOpen()).toBe(true);
  slow.resolve();
  expect(await round()).toMatchObject({ kind: "answered" });
});

test("a connection that is silent is exchanged for another one that can be opened", async () => {
  let held = Promise.resolve();
  const broker = await playBroker(() => "never", [], Number.POSITIVE_INFINITY, {
    pause: () => held,
  });
  closing.push(broker.close);
  const { round } = pinged(broker.address.port);
  expect(await round()).toMatchObject({ kind: "answered" });
  held = new Promise(() => {});
  expect(await round()).toMatchObject({ kind: "silent" });
  held = Promise.resolve();
  expect(await round()).toMatchObject({ kind: "answered" });
  await until("the silent one's end", () => broker.connections() === 1, SOON);
});

test("a refusal that takes longer than a round is one in each of them", async () => {
  // As connection.failed.authentication.delay.ms has it: the handshake is answered, the password is not.
  const { round } = pinged((await played({})).address.port, {
    sasl: { mechanism: "PLAIN", username: "u", password: () => "wrong" },
  });
  for (const _round of [1, 2, 3]) expect(await round()).toMatchObject({ kind: "refused-us" });
});

test("a broker that authenticates us and answers nothing after it is silent", async () => {
  let versions = 0;
  const authenticated = () =>
    new ByteWriter().int16(0).nullableString(null).nullableBytes(Buffer.alloc(0)).int64(0);
  const pause = () => (++versions > 1 ? new Promise<void>(() => {}) : Promise.resolve());
  const broker = await playBroker(authenticated, [], Number.POSITIVE_INFINITY, { pause });
  closing.push(broker.close);
  const { round } = pinged(broker.address.port, {
    sasl: { mechanism: "PLAIN", username: "u", password: () => "right" },
  });
  for (const _round of [1, 2]) {
    expect(await round()).toMatchObject({ kind: "silent", connected: true, isNew: false });
  }
});

test("accepted and closed at once is told from refused", async () => {
  const { address } = await played({ takes: () => false });
  expect(await pinged(address.port).round()).toMatchObject({ kind: "cut" });
  const refused = await pinged(await freePort()).round();
  expect(refused).toMatchObject({ kind: "closed" });
});
