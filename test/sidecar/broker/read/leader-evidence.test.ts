/** Who a node is by what it leads: what proves it, and what proves nothing. */
import { describe, expect, test } from "bun:test";
import {
  type AskedPartition,
  evidenceOf,
  partitionsOfOthers,
  partitionsOfOwn,
  stillLed,
} from "../../../../sidecar/broker/read/leader-evidence.ts";
import { cluster, partition } from "../snapshot-sample.ts";

const NOT_LEADER = 6;
const STORAGE = 56;
const UNSUPPORTED = 35;

const asked = (partitionId: number, leader: number, errorCode: number): AskedPartition => ({
  ...{ topic: "t", partition: partitionId, leader, leaderEpoch: 5, errorCode },
});

describe("evidenceOf()", () => {
  const rows: readonly [string, readonly AskedPartition[], object][] = [
    ["nothing led", [], { kind: "none", why: "node 1 leads no partition that we may see" }],
    ["it leads one of its own", [asked(0, 1, NOT_LEADER), asked(1, 1, 0)], { kind: "same" }],
    [
      "it leads none of its own, and one of node 2",
      [asked(0, 1, NOT_LEADER), asked(1, 2, 0)],
      { kind: "other", nodeId: 2, by: [{ partition: 1 }] },
    ],
    [
      "it leads none of its own, nor another's",
      [asked(0, 1, NOT_LEADER), asked(1, 2, NOT_LEADER)],
      { kind: "other", nodeId: undefined, by: [{ partition: 0 }] },
    ],
    ["the id leads none, node 2 does", [asked(1, 2, 0)], { kind: "other", nodeId: 2 }],
    ["one of its own is on a lost disk", [asked(0, 1, STORAGE)], { kind: "none" }],
    [
      "one of its own is on a lost disk, the other is not led",
      [asked(0, 1, STORAGE), asked(1, 1, NOT_LEADER), asked(2, 2, NOT_LEADER)],
      { kind: "none" },
    ],
    [
      "one of its own is on a lost disk, and it leads one of node 2",
      [asked(0, 1, STORAGE), asked(1, 1, NOT_LEADER), asked(2, 2, 0)],
      {
        kind: "doubtful",
        why: "it did not say whether it leads t-0, and answers as the leader of t-2",
      },
    ],
    [
      "all of its own are, and it leads one of node 2",
      [asked(1, 1, STORAGE), asked(2, 2, 0)],
      { kind: "doubtful" },
    ],
    [
      "no answer",
      [asked(0, 1, -1)],
      { kind: "doubtful", why: "it did not say whether it leads t-0" },
    ],
    ["a partition that it does not know yet", [asked(0, 1, 3)], { kind: "doubtful" }],
    ["no leader known there yet", [asked(0, 1, NOT_LEADER), asked(1, 1, 5)], { kind: "doubtful" }],
    ["a leader that was just elected", [asked(0, 1, 78)], { kind: "doubtful" }],
    [
      "the id leads none, and no answer whether node 2's is led",
      [asked(1, 2, -1)],
      { kind: "doubtful" },
    ],
    [
      "the id leads none, nor does the node lead node 2's",
      [asked(1, 2, NOT_LEADER)],
      { kind: "none" },
    ],
    ["a node that does not know the question", [asked(0, 1, UNSUPPORTED)], { kind: "none" }],
  ];
  test.each(rows)("%s", (_what, given, want) => {
    expect(evidenceOf(given, 1)).toMatchObject(want);
  });
});

const { topics } = cluster({
  a: [partition(0, [1, 2], [1, 2]), partition(1, [1, 2], [1, 2])],
  b: [partition(0, [2, 1], [2, 1]), partition(1, [3], [3]), partition(2, [1], [], -1)],
  c: [partition(0, [1], [1])],
});
const names = (led: readonly { readonly topic: string; readonly partition: number }[]) =>
  led.map((each) => `${each.topic}-${each.partition}`);

test("partitionsOfOwn() takes one of each topic first, and none without a leader", () => {
  expect(names(partitionsOfOwn(topics, 1))).toEqual(["a-0", "c-0", "a-1"]);
});

test("partitionsOfOthers() takes one of each other leader", () => {
  expect(names(partitionsOfOthers(topics, 1))).toEqual(["b-0", "b-1"]);
});

test("stillLed() holds while leader and epoch of one of them are the same", () => {
  const by = partitionsOfOwn(topics, 1);
  expect(stillLed(by, topics)).toBe(true);
  const moved = topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((each) => ({ ...each, leaderEpoch: each.leaderEpoch + 1 })),
  }));
  expect(stillLed(by, moved)).toBe(false);
  expect(stillLed(by, [])).toBe(false);
});
