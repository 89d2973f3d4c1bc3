/** A connection that is lost during SASL is no wrong password: nobody would try again. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { openBrokerConnection } from "../../../../shared/kafka/connection/connection.ts";
import { type PlayedAnswer, playBroker, playedRequest } from "../played-broker.ts";

const sasl = { mechanism: "PLAIN", username: "u", password: () => "pw" } as const;
const ASK = playedRequest(2, "ListOffsets");

const REFUSAL = new ByteWriter()
  .int16(58)
  .nullableString("no")
  .nullableBytes(Buffer.alloc(0))
  .int64(0);
const rows: readonly (readonly [string, string, PlayedAnswer])[] = [
  ["an end", "unreachable transient", "end"],
  ["a reset", "unreachable transient", "reset"],
  ["a refusal", "authentication terminal", REFUSAL],
];

test.each(rows)("%s during SASL is %s", async (_what, expected, answer) => {
  const broker = await playBroker(() => answer);
  const connection = openBrokerConnection(
    broker.address,
    { clientId: "x", brokers: [], sasl },
    () => {},
  );
  const started = performance.now();
  const asked = await connection.send(ASK, { deadlineMs: 5000 });
  expect(asked.ok ? "ok" : `${asked.error.code} ${asked.error.retry}`).toBe(expected);
  expect(performance.now() - started).toBeLessThan(2000);
  broker.close();
});

test("a hang during SASL that somebody else's deadline ends is no refusal", async () => {
  const broker = await playBroker(() => "never");
  const connection = openBrokerConnection(
    broker.address,
    { clientId: "x", brokers: [], sasl },
    () => {},
  );
  const calls = [200, 600].map((deadlineMs) => connection.send(ASK, { deadlineMs }));
  for (const asked of await Promise.all(calls)) {
    expect(asked.ok ? "ok" : asked.error.retry).toBe("transient");
    expect(asked.ok ? "ok" : asked.error.code).not.toBe("authentication");
  }
  broker.close();
});
