/** A quota: the broker says for how long it will not listen to the connection. */
import { expect, test } from "bun:test";
import { apiVersionsRequest } from "../../../../shared/kafka/api/api-versions.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { quorumRequest } from "../../../../shared/kafka/api/describe-quorum.ts";
import { fetchRequest } from "../../../../shared/kafka/api/fetch.ts";
import { metadataRequest } from "../../../../shared/kafka/api/metadata.ts";
import { produceRequest } from "../../../../shared/kafka/api/produce.ts";
import { openBrokerConnection } from "../../../../shared/kafka/connection/connection.ts";
import { openThrottle } from "../../../../shared/kafka/connection/throttle.ts";
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

test("keeps the connection whose answer a quota holds back beyond a deadline", async () => {
  const held = Promise.withResolvers<ByteWriter>();
  let asked = 0;
  const broker = await playBroker(() => {
    asked += 1;
    return asked === 1 ? new ByteWriter().int32(60_000) : held.promise;
  });
  const connection = openBrokerConnection(broker.address, { clientId: "x", brokers: [] }, () => {});
  // Both are on their way before the first answer says that the second one will take long.
  const [first, second] = await Promise.all([
    connection.send(THROTTLED, { deadlineMs: 2000 }),
    connection.send(THROTTLED, { deadlineMs: 300 }),
  ]);
  expect([first.ok, second.ok, connection.usable()]).toEqual([true, false, true]);
  held.resolve(new ByteWriter());
  connection.drop("done");
  broker.close();
});

test("is read behind the tagged fields of a flexible version's header", () => {
  const throttle = openThrottle();
  const body = new ByteWriter()
    .uvarint(1)
    .uvarint(0)
    .uvarint(2)
    .raw(Buffer.from([9, 9]))
    .int32(5000);
  throttle.note(metadataRequest("all"), 12, body.bytes(), true);
  expect(throttle.forMs()).toBeWithin(4000, 5001);
});

test("is none of an answer that has no such field, or ends before it", () => {
  const throttle = openThrottle();
  throttle.note(quorumRequest(), 2, new ByteWriter().int32(5000).bytes(), false);
  throttle.note(apiVersionsRequest(), 0, new ByteWriter().int32(5000).bytes(), false);
  throttle.note(apiVersionsRequest(), 2, new ByteWriter().int16(35).bytes(), false);
  throttle.note(apiVersionsRequest(), 2, new ByteWriter().int16(0).int32(0).bytes(), false);
  // Never: a quota that does not hold us back is no reason for a silence that follows.
  expect(throttle.forMs()).toBe(Number.NEGATIVE_INFINITY);
});

test("is where Kafka puts it: at the end of Produce, at the start of Fetch", () => {
  const limits = { maxWaitMs: 1, maxBytes: 1, partitionMaxBytes: 1 };
  expect(produceRequest("t", 0, Buffer.alloc(0), 1).throttle).toEqual({ at: "end", from: 6 });
  expect(fetchRequest([], limits, "x").throttle).toEqual({ at: "start", from: 8 });
  expect(apiVersionsRequest().throttle).toEqual({ at: "end", from: 1 });
});
