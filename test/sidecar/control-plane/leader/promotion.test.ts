/** Where a new leader begins to read the registry, and whether it is the one of the ledger. */
import { describe, expect, test } from "bun:test";
import { type Applied, RULES } from "../../../../shared/protocol/ledger.ts";
import { createFleet } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { registryStarts } from "../../../../sidecar/control-plane/leader/promotion.ts";

const offsetsOf = (...offsets: readonly number[]) => ({
  offsets: new Map(offsets.entries()),
  errors: new Map(),
});
const applied = (offset: number, more: Partial<Applied> = {}): Applied => ({
  ...{ topic_id: "t", offset, epoch: 4, rules: RULES },
  ...more,
});

describe("registryStarts()", () => {
  type Case = {
    readonly name: string;
    readonly ledger?: Applied;
    readonly accepted?: readonly (readonly [string, number])[];
    readonly start?: number;
    readonly end: number;
    readonly want: {
      readonly from: number;
      readonly madeAgain?: boolean;
      readonly held?: boolean;
      readonly acceptedNow?: boolean;
      readonly historyEnd?: number;
      readonly wasJudged?: boolean;
    };
  };
  const cases: readonly Case[] = [
    { name: "the start without a ledger", end: 20, want: { from: 0, historyEnd: 20 } },
    {
      name: "the first offset kept, without a ledger",
      ...{ start: 7, end: 20, want: { from: 7, historyEnd: 20 } },
    },
    {
      name: "the start of one that was judged by older rules, up to where it was judged",
      ledger: { topic_id: "t", offset: 12, epoch: 4 },
      end: 20,
      want: { from: 0, historyEnd: 12, wasJudged: true },
    },
    {
      name: "the first offset not judged, of newer rules than ours",
      ...{ ledger: applied(12, { rules: RULES + 1 }), end: 20, want: { from: 12 } },
    },
    {
      name: "the start of one that was judged empty",
      ledger: applied(0),
      end: 2,
      want: { from: 0 },
    },
    { name: "the first offset not judged", ledger: applied(12), end: 20, want: { from: 12 } },
    { name: "the end when all is judged", ledger: applied(20), end: 20, want: { from: 20 } },
    {
      name: "the first offset kept, past the ledger's",
      ledger: applied(3),
      start: 7,
      end: 20,
      want: { from: 7 },
    },
    {
      name: "the start of one that ends below the ledger",
      ...{ ledger: applied(21), end: 20 },
      want: { from: 0, madeAgain: true, held: true },
    },
    {
      name: "the start of another topic",
      ...{ ledger: applied(5, { topic_id: "other" }), start: 2, end: 20 },
      want: { from: 2, madeAgain: true, held: true },
    },
    {
      name: "the start of another topic, held although an earlier one was accepted",
      ...{ ledger: applied(5, { topic_id: "other" }), accepted: [["other", 8]], end: 20 },
      want: { from: 0, madeAgain: true, held: true },
    },
    {
      name: "where the last leader was, still held",
      ...{ ledger: applied(5, { held: true }), end: 20 },
      want: { from: 5, held: true },
    },
    {
      name: "where the last leader was, accepted meanwhile",
      ...{ ledger: applied(5, { held: true }), accepted: [["t", 5]], end: 20 },
      want: { from: 5, acceptedNow: true },
    },
    {
      name: "the start without a ledger, whatever was accepted before",
      ...{ accepted: [["t", 5]], end: 20 },
      want: { from: 0, historyEnd: 20 },
    },
    {
      name: "where the last leader was, held although an earlier loss was accepted",
      ...{ ledger: applied(5, { held: true }), accepted: [["t", 4]], end: 20 },
      want: { from: 5, held: true },
    },
    {
      name: "the start of one that was cut again after an earlier cut was accepted",
      ...{ ledger: applied(21), accepted: [["t", 5]], end: 20 },
      want: { from: 0, madeAgain: true, held: true },
    },
  ];
  test.each([...cases])("is $name", ({ ledger, accepted = [], start = 0, end, want }) => {
    const fleet = createFleet();
    if (ledger !== undefined) fleet.applied.set(0, ledger);
    const known = { fleet, topicId: "t", epoch: 9, accepted: new Map(accepted) };
    const { from, madeAgain = false, held, acceptedNow = false } = want;
    const { historyEnd = madeAgain ? end : 0, wasJudged = false } = want;
    const base = { topic_id: "t", offset: from, epoch: 9, rules: RULES };
    const applied = held ? { ...base, held } : base;
    expect(registryStarts(known, offsetsOf(start), offsetsOf(end))).toEqual([
      { partition: 0, from, madeAgain, acceptedNow, historyEnd, wasJudged, applied },
    ]);
  });
  test("speaks of each partition, also of one that the ledger does not know", () => {
    const fleet = createFleet();
    fleet.applied.set(0, applied(5));
    const known = { fleet, topicId: "t", epoch: 9, accepted: new Map<string, number>() };
    const got = registryStarts(known, offsetsOf(0, 0), offsetsOf(9, 4));
    expect(got.map(({ partition, from, historyEnd }) => [partition, from, historyEnd])).toEqual([
      [0, 5, 0],
      [1, 0, 4],
    ]);
  });
});
