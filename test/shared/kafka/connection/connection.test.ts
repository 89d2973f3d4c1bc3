/** One call's deadline on a connection that others use too. */

import { afterEach, expect, test } from "bun:test";
import { sleep } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { openBrokerConnection } from "../../../../shared/kafka/connection/connection.ts";
import { type PlayedBroker, playBroker, playedRequest } from "../played-broker.ts";

const SLOW = playedRequest(0, "Produce");
const OTHER = playedRequest(2, "ListOffsets");

let broker: PlayedBroker | undefined;
afterEach(() => broker?.close());

async function open() {
  const played = await playBroker(async (apiKey) => {
    if (apiKey === SLOW.apiKey) await sleep(600);
    return new ByteWriter();
  });
  broker = played;
  const connection = openBrokerConnection(played.address, { clientId: "x", brokers: [] }, () => {});
  return { played, connection };
}

test("leaves the others their own, takes nothing new, and closes after them", async () => {
  const { played, connection } = await open();
  const slow = connection.send(SLOW, { deadlineMs: 5000 });
  await sleep(100);
  const other = await connection.send(OTHER, { deadlineMs: 200 });
  expect(other.ok ? "ok" : other.error.code).toBe("timeout");
  expect(connection.usable()).toBe(false);
  const late = await connection.send(OTHER, { deadlineMs: 200 });
  expect(late.ok ? "ok" : late.error.code).toBe("unreachable");
  expect(played.connections()).toBe(1);
  expect((await slow).ok).toBe(true);
  for (let turn = 0; turn < 100 && played.connections() > 0; turn += 1) await sleep(10);
  expect(played.connections()).toBe(0);
});

test("closes at once when there are no others", async () => {
  const { played, connection } = await open();
  const slow = await connection.send(SLOW, { deadlineMs: 100 });
  expect(slow.ok ? "ok" : slow.error.code).toBe("timeout");
  for (let turn = 0; turn < 40 && played.connections() > 0; turn += 1) await sleep(10);
  expect(played.connections()).toBe(0);
});
