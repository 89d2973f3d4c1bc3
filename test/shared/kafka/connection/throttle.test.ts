/** A quota: the broker says for how long it will not listen to the connection. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { fetchRequest } from "../../../../shared/kafka/api/fetch.ts";
import { produceRequest } from "../../../../shared/kafka/api/produce.ts";
import { openBrokerConnection } from "../../../../shared/kafka/connection/connection.ts";
import { playBroker, playedRequest } from "../played-broker.ts";

const THROTTLED = {
  ...playedRequest(2, "ListOffsets"),
  throttle: { at: "start", from: 6 },
} as const;

test("holds the next request of the connection, and is no hang", async () => {
  let asked = 0;
  const broker = await playBroker(() => {
    asked += 1;
    return new ByteWriter().int32(asked === 1 ? 400 : 0);
  });
  const connection = openBrokerConnection(broker.address, { clientId: "x", brokers: [] }, () => {});
  expect((await connection.send(THROTTLED, { deadlineMs: 2000 })).ok).toBe(true);
  const began = performance.now();
  const early = await connection.send(THROTTLED, { deadlineMs: 100 });
  expect(early.ok ? "ok" : early.error.detail).toContain("quota");
  expect([connection.usable(), asked]).toEqual([true, 1]);
  expect((await connection.send(THROTTLED, { deadlineMs: 2000 })).ok).toBe(true);
  expect(performance.now() - began).toBeGreaterThan(300);
  expect(asked).toBe(2);
  connection.drop("done");
  broker.close();
});

test("is where Kafka puts it: at the end of Produce, at the start of Fetch", () => {
  const limits = { maxWaitMs: 1, maxBytes: 1, partitionMaxBytes: 1 };
  expect(produceRequest("t", 0, Buffer.alloc(0), 1).throttle).toEqual({ at: "end", from: 6 });
  expect(fetchRequest([], limits, "x").throttle).toEqual({ at: "start", from: 8 });
});
