/** Replicas that a reassignment adds, asked of a played broker, and of another one where that is no controller. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { openRenewableConnection } from "../../../../sidecar/broker/read/connection.ts";
import { openAddingReader } from "../../../../sidecar/broker/read/reassignments.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { clockOf } from "../../../clock.ts";
import { type PlayedAnswer, playBroker } from "../../../shared/kafka/played-broker.ts";
import { cluster, failed, partition, readIn } from "../snapshot-sample.ts";

const REASSIGNMENTS = 46;
const NOT_CONTROLLER = 41;
const REFUSED = 31;
const LACKING = readIn(cluster({ orders: [partition(3, [0, 1, 2], [0, 1])] }));
const WHOLE = readIn(cluster({ orders: [partition(3, [0, 1], [0, 1])] }));

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const ids = (writer: ByteWriter, value: number) => writer.int32(value);
/** As Kafka's ListPartitionReassignmentsResponse.json has it: replicas, adding, removing. */
const answered = (errorCode = 0): ByteWriter =>
  new ByteWriter()
    .noTags()
    .int32(0)
    .int16(errorCode)
    .uvarint(0)
    .compactArray(errorCode === 0 ? ["orders"] : [], (topic, name) =>
      topic
        .compactString(name)
        .compactArray([3], (row, number) =>
          row
            .int32(number)
            .compactArray([0, 1, 2], ids)
            .compactArray([2], ids)
            .compactArray([1], ids)
            .noTags(),
        )
        .noTags(),
    )
    .noTags();

async function connectTo(answer: () => PlayedAnswer) {
  let questions = 0;
  const played = await playBroker(() => {
    questions += 1;
    return answer();
  }, [[REASSIGNMENTS, 0, 0]]);
  const connection = openRenewableConnection({
    ...{ address: played.address, settings: { clientId: "x", brokers: [] }, log: () => {} },
    ...{ credentials: () => "", clock: systemClock },
  });
  closing.push(played.close, () => connection.drop("over"));
  return { connection, questions: () => questions };
}

async function open(own: () => PlayedAnswer, other: () => PlayedAnswer = () => answered(REFUSED)) {
  const [asked, controller] = await Promise.all([connectTo(own), connectTo(other)]);
  let laterMs = 0;
  let others = 0;
  const adding = openAddingReader({
    ...{ brokerId: 2, connection: asked.connection },
    clock: clockOf({ monotonicMs: () => performance.now() + laterMs }),
    askAny: (request) => {
      others += 1;
      return controller.connection.ask(request);
    },
  });
  const later = (ms: number) => {
    laterMs += ms;
  };
  const read = async (metadata: Parameters<typeof adding>[0]) => {
    const clock = openRoundClock({
      ...{ deadlineMs: 2000, clock: systemClock },
      signal: new AbortController().signal,
    });
    try {
      return [...(await adding(metadata, clock))];
    } finally {
      clock.stop();
    }
  };
  return { read, later, ...asked, others: () => others };
}

test("asks only while a replica of this broker is out of the ISR", async () => {
  const { read, questions } = await open(answered);
  expect(await read(WHOLE)).toEqual([]);
  expect(await read(failed("late"))).toEqual([]);
  expect(questions()).toBe(0);
  expect(await read(LACKING)).toEqual(["orders-3"]);
});

test("asks the others where this one is not the controller, as with ZooKeeper", async () => {
  const { read } = await open(() => answered(NOT_CONTROLLER), answered);
  expect(await read(LACKING)).toEqual(["orders-3"]);
});

test.each([
  ["refuses us", () => answered(REFUSED)],
  ["is not the controller, nor is another", () => answered(NOT_CONTROLLER)],
  ["holds the question, without a controller to pass it on to", (): PlayedAnswer => "never"],
])("knows of none that are added where the broker %s", async (_what, own) => {
  const { read } = await open(own);
  expect(await read(LACKING)).toEqual([]);
});

test("asks one that refuses us again after 15 s, not in every round", async () => {
  const { read, questions, later } = await open(() => answered(REFUSED));
  for (const _round of [1, 2, 3]) await read(LACKING);
  expect(questions()).toBe(1);
  later(15_000);
  await read(LACKING);
  expect(questions()).toBe(2);
});

test("waits for the answer of the others over the rounds", async () => {
  const { read, others } = await open(
    () => answered(NOT_CONTROLLER),
    (): PlayedAnswer => "never",
  );
  for (const _round of [1, 2, 3]) expect(await read(LACKING)).toEqual([]);
  expect(others()).toBe(1);
});

test("gives its connection back when nothing was to be asked for a minute", async () => {
  const { read, connection, later } = await open(answered);
  await read(LACKING);
  await read(WHOLE);
  expect(connection.isOpen()).toBe(true);
  later(60_001);
  await read(failed("late"));
  expect(connection.isOpen()).toBe(true);
  await read(WHOLE);
  expect(connection.isOpen()).toBe(false);
  expect(await read(LACKING)).toEqual(["orders-3"]);
});
