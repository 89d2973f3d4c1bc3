/** Who answers, asked of a played broker: its own word, then what it leads, and how long that takes to be believed. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import type { TopicMetadata } from "../../../../shared/kafka/api/metadata.ts";
import { openRenewableConnection } from "../../../../sidecar/broker/read/connection.ts";
import { openIdentityReader } from "../../../../sidecar/broker/read/identity.ts";
import { openRoundClock } from "../../../../sidecar/broker/read/round-clock.ts";
import { clockOf } from "../../../clock.ts";
import { type PlayedAnswer, playBroker } from "../../../shared/kafka/played-broker.ts";
import { cluster, partition } from "../snapshot-sample.ts";

const CONFIGS = 32;
const OFFSETS = 2;
const REFUSED = 31;
const INVALID = 42;
const NOT_LEADER = 6;
const STORAGE = 56;
const { topics } = cluster({ t: [partition(0, [1, 2], [1, 2]), partition(1, [2, 1], [2, 1])] });

const codeOf = (leads: boolean | number): number =>
  typeof leads === "number" ? leads : leads ? 0 : NOT_LEADER;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const settings = (errorCode: number, message: string | null = null): ByteWriter =>
  new ByteWriter().int32(0).array([0], (row) =>
    row
      .int16(errorCode)
      .nullableString(message)
      .int8(4)
      .string("1")
      .array([], () => {}),
  );

const offsets = (errorCode: number): ByteWriter =>
  new ByteWriter().int32(0).array([0], (topic) =>
    topic.string("t").array([0], (row) =>
      row
        .int32(0)
        .int16(errorCode)
        .int64(-1)
        .int64(errorCode === 0 ? 7 : -1),
    ),
  );

/** @param leads of the partitions asked for, one after the other: does the node lead it, or else the error */
async function open(said: () => PlayedAnswer, leads: () => boolean | number = () => false) {
  const asked: number[] = [];
  const played = await playBroker(
    (apiKey) => {
      asked.push(apiKey);
      return apiKey === CONFIGS ? said() : offsets(codeOf(leads()));
    },
    [[CONFIGS, 1, 3]],
  );
  let laterMs = 0;
  const clock = clockOf({ monotonicMs: () => performance.now() + laterMs });
  const connection = openRenewableConnection({
    ...{ address: played.address, settings: { clientId: "x", brokers: [] }, log: () => {} },
    ...{ credentials: () => "", clock },
  });
  closing.push(played.close, () => connection.drop("over"));
  const identity = openIdentityReader({ brokerId: 1, connection, clock });
  const read = async (shown: readonly TopicMetadata[] | undefined) => {
    const clock = openRoundClock({
      ...{ deadlineMs: 300, clock: systemClock },
      signal: new AbortController().signal,
    });
    try {
      return await identity.read(shown, clock);
    } finally {
      clock.stop();
    }
  };
  const later = (ms: number) => {
    laterMs += ms;
  };
  return { read, later, asked, connection };
}

test("read() takes a node at its word, once a connection", async () => {
  const { read, asked, connection } = await open(() => settings(0));
  expect(await read(topics)).toEqual({ kind: "same", how: "by its own settings" });
  await read(topics);
  expect(asked).toEqual([CONFIGS]);
  connection.drop("lost");
  await read(topics);
  expect(asked).toEqual([CONFIGS, CONFIGS]);
});

test("read() believes a node that names another id", async () => {
  const message = "Unexpected broker id, expected 7 or empty string, but received 1";
  const { read } = await open(() => settings(INVALID, message));
  expect(await read(topics)).toEqual({ kind: "other", nodeId: 7, how: "by its own settings" });
});

test.each([
  ["names no id", INVALID, "Bad request"],
  ["names the very id", INVALID, "expected 1"],
  ["refuses us", REFUSED, null],
] as const)("read() proves nothing by one that %s", async (_what, code, message) => {
  const { read, asked, later } = await open(() => settings(code, message));
  expect(await read([])).toMatchObject({ kind: "unproven", isFinal: true });
  await read([]);
  expect(asked).toEqual([CONFIGS]);
  later(60_000);
  await read([]);
  expect(asked).toEqual([CONFIGS, CONFIGS]);
});

test("read() names the permission that it lacks", async () => {
  const { read } = await open(() => settings(REFUSED));
  const others = cluster({ t: [partition(0, [2], [2])] }).topics;
  const seen = await read(others);
  expect(seen.kind === "unproven" && seen.detail).toContain(
    "(missing permission: DESCRIBE_CONFIGS on the cluster); node 1 leads no partition",
  );
});

test("read() then asks whether it leads what the id leads", async () => {
  const { read, asked } = await open(
    () => settings(REFUSED),
    () => true,
  );
  expect(await read(topics)).toEqual({ kind: "same", how: "it leads t-0" });
  await read(topics);
  expect(asked).toEqual([CONFIGS, OFFSETS]);
});

test("read() believes leadership against the id only when it lasts, in the same epoch", async () => {
  const answers = { leads: false };
  const { read, later, asked } = await open(
    () => settings(REFUSED),
    () => answers.leads,
  );
  expect(await read(topics)).toMatchObject({ kind: "unproven", isFinal: false });
  later(4000);
  const elected = topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((each) => ({ ...each, leaderEpoch: 6 })),
  }));
  expect(await read(elected)).toMatchObject({ kind: "unproven", isFinal: false });
  later(29_000);
  expect(await read(elected)).toMatchObject({ kind: "unproven", isFinal: false });
  later(1500);
  expect(await read(elected)).toEqual({
    ...{ kind: "other", nodeId: undefined },
    how: "it does not lead t-0, as node 1 does",
  });
  // A refusal is logged by Kafka: it is not asked for in every round.
  expect(asked.filter((key) => key === CONFIGS)).toHaveLength(1);
});

test("read() awaits a node that does not answer, and metadata that did not come", async () => {
  const held = await open(() => "never");
  expect(await held.read(topics)).toMatchObject({ kind: "unproven", isFinal: false });
  const refused = await open(() => settings(REFUSED));
  expect(await refused.read(undefined)).toMatchObject({ kind: "unproven", isFinal: false });
});

test("read() takes another node's leadership back when it leads what the id leads after all", async () => {
  const answers = { leads: false };
  const { read, later } = await open(
    () => settings(REFUSED),
    () => answers.leads,
  );
  await read(topics);
  later(30_500);
  expect(await read(topics)).toMatchObject({ kind: "other" });
  answers.leads = true;
  expect(await read(topics)).toMatchObject({ kind: "other" });
  later(10_000);
  expect(await read(topics)).toEqual({ kind: "same", how: "it leads t-0" });
  // Evidence against it begins anew.
  answers.leads = false;
  later(60_000);
  expect(await read(topics)).toMatchObject({ kind: "same" });
});

test("read() asks again whether it still leads, and keeps what was proven until the contrary is", async () => {
  const answers = { leads: true };
  const { read, later } = await open(
    () => settings(REFUSED),
    () => answers.leads,
  );
  await read(topics);
  answers.leads = false;
  later(60_000);
  expect(await read(topics)).toMatchObject({ kind: "same" });
  later(30_500);
  expect(await read(topics)).toMatchObject({ kind: "other" });
  // Its leadership is under way to another node: neither proves anything.
  const moved = cluster({ t: [partition(0, [2], [2], 2)] }).topics;
  later(10_000);
  expect(await read(moved)).toMatchObject({ kind: "unproven", isFinal: true });
});

test("read() believes a node that leads another's partitions after 5 s", async () => {
  let asked = 0;
  const { read, later } = await open(
    () => settings(REFUSED),
    // Of t-0, then of t-1 in each look.
    () => asked++ % 2 === 1,
  );
  expect(await read(topics)).toMatchObject({ kind: "unproven", isFinal: false });
  later(5500);
  expect(await read(topics)).toEqual({
    ...{ kind: "other", nodeId: 2, how: "it answers as the leader of t-1" },
  });
});

test("read() awaits one that does not say whether it leads the id's partitions, and leads another's", async () => {
  let asked = 0;
  const { read } = await open(
    () => settings(REFUSED),
    // Of t-0 its log is on a lost disk; t-1 is another's.
    () => (asked++ % 2 === 0 ? STORAGE : true),
  );
  expect(await read(topics)).toMatchObject({ kind: "unproven", isFinal: false });
});
