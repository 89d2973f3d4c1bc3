/** A connection to the local broker that outlives its credentials, on a played broker with SASL. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import type { KafkaSettings } from "../../../../shared/kafka/settings.ts";
import { openRenewableConnection } from "../../../../sidecar/broker/read/connection.ts";
import { openSingleFlight } from "../../../../sidecar/broker/read/single-flight.ts";
import { until } from "../../../bed/condition.ts";
import {
  type PlayedAnswer,
  type PlayedBroker,
  playBroker,
  playedRequest,
} from "../../../shared/kafka/played-broker.ts";

const SASL_AUTHENTICATE = 36;
const REFUSED = 58;
const ASK = playedRequest(2, "ListOffsets");
const SOON = { deadlineMs: 5000, intervalMs: 5 };

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Kafka = {
  password: string;
  /** 0: without end. */
  sessionMs: number;
  answer: () => PlayedAnswer;
};

async function open(changed: Partial<Kafka> = {}) {
  const kafka: Kafka = {
    password: "old",
    sessionMs: 0,
    answer: () => new ByteWriter(),
    ...changed,
  };
  const ours = { password: "old" };
  const authenticated: string[] = [];
  const warned: string[] = [];
  const broker: PlayedBroker = await playBroker((apiKey, body) => {
    if (apiKey !== SASL_AUTHENTICATE) return kafka.answer();
    const given = body.bytes.toString("latin1").split("\0").at(-1) ?? "";
    const isRight = given === kafka.password;
    if (isRight) authenticated.push(given);
    return new ByteWriter()
      .int16(isRight ? 0 : REFUSED)
      .nullableString(isRight ? null : "wrong password")
      .nullableBytes(Buffer.alloc(0))
      .int64(kafka.sessionMs);
  });
  const sasl = { mechanism: "PLAIN", username: "u", password: () => ours.password } as const;
  const settings: KafkaSettings = { clientId: "x", brokers: [], sasl };
  const connection = openRenewableConnection({
    address: broker.address,
    settings,
    credentials: () => ours.password,
    log: (level, message) => {
      if (level === "warn") warned.push(message);
    },
    clock: systemClock,
  });
  closing.push(() => connection.drop("the test is over"), broker.close);
  return { kafka, ours, authenticated, warned, broker, connection };
}

const outcome = (result: { ok: boolean; error?: { code: string } }) =>
  result.ok ? "ok" : result.error?.code;

test("takes new credentials by another connection, and gives the old one up after", async () => {
  const { kafka, ours, authenticated, broker, connection } = await open();
  expect(outcome(await connection.ask(ASK))).toBe("ok");
  connection.freshen();
  expect(authenticated).toEqual(["old"]);
  kafka.password = "new";
  ours.password = "new";
  connection.freshen();
  // The old one serves while the new one is opened.
  expect(connection.isOpen()).toBe(true);
  expect(outcome(await connection.ask(ASK))).toBe("ok");
  await until("the new one", () => authenticated.includes("new"), SOON);
  await until("the old one's end", () => broker.connections() === 1, SOON);
  expect(outcome(await connection.ask(ASK))).toBe("ok");
  expect(authenticated).toEqual(["old", "new"]);
});

test("keeps the open connection when the new credentials are refused, and says so", async () => {
  const { ours, warned, broker, connection } = await open();
  expect(outcome(await connection.ask(ASK))).toBe("ok");
  ours.password = "wrong";
  connection.freshen();
  await until("the refusal", () => warned.length > 0, SOON);
  await until("the refused one's end", () => broker.connections() === 1, SOON);
  connection.freshen();
  expect(warned).toHaveLength(1);
  expect(connection.isOpen()).toBe(true);
  expect(outcome(await connection.ask(ASK))).toBe("ok");
});

test("opens another connection before a session ends, and uses none whose session is over", async () => {
  const { authenticated, broker, connection } = await open({ sessionMs: 400 });
  expect(outcome(await connection.ask(ASK))).toBe("ok");
  connection.freshen();
  expect(authenticated).toHaveLength(1);
  await until(
    "the next session",
    () => {
      connection.freshen();
      return authenticated.length === 2;
    },
    SOON,
  );
  await until("the first one's end", () => broker.connections() === 1, SOON);
  await until("the session to be over", () => !connection.isOpen(), SOON);
  expect(outcome(await connection.ask(ASK))).toBe("ok");
  expect(authenticated).toHaveLength(3);
});

test("drop() ends what is under way, and the next call dials anew", async () => {
  const { kafka, connection, broker } = await open({ answer: () => "never" });
  const asked = connection.ask(ASK);
  await until("the connection", () => connection.isOpen(), SOON);
  connection.drop("enough");
  expect(outcome(await asked)).toBe("unreachable");
  await until("its end", () => broker.connections() === 0, SOON);
  kafka.answer = () => new ByteWriter();
  expect(outcome(await connection.ask(ASK))).toBe("ok");
});

test("openStandingQuestion() asks once while the broker holds it, and again once it answered", async () => {
  const held = Promise.withResolvers<ByteWriter>();
  let asked = 0;
  const played = await playBroker((apiKey) => {
    asked += apiKey === ASK.apiKey ? 1 : 0;
    return asked === 1 ? held.promise : new ByteWriter();
  });
  closing.push(played.close);
  const connection = openRenewableConnection({
    address: played.address,
    settings: { clientId: "x", brokers: [] },
    credentials: () => "",
    log: () => {},
    clock: systemClock,
  });
  closing.push(() => connection.drop("the test is over"));
  const question = openSingleFlight({
    connection,
    request: () => ASK,
    clock: systemClock,
  });
  const first = question.ask();
  expect(question.ask()).toBe(first);
  await until("the question", () => asked === 1, SOON);
  held.resolve(new ByteWriter());
  expect(outcome(await first.answer)).toBe("ok");
  const second = question.ask();
  expect(second).not.toBe(first);
  expect(outcome(await second.answer)).toBe("ok");
  expect(asked).toBe(2);
});
