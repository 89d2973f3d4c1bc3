/** Whose claim to lead the quorum is believed, by what the leader itself says of its voters. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  lostMajority,
  openMajorityWatch,
  resigns,
  VOTER_SILENT_MS,
} from "../../../../sidecar/broker/read/quorum-majority.ts";
import { quorum, replica } from "../snapshot-sample.ts";

const NOW_MS = replica(1).lastFetchAtMs;
const LONG_MS = VOTER_SILENT_MS + 1;
/** A voter that fetched so long ago by the leader's clock; null: not in this epoch. */
const voter = (id: number, silentMs: number | null) => ({
  ...replica(id),
  lastFetchAtMs: silentMs === null ? -1 : NOW_MS - silentMs,
});

describe("lostMajority()", () => {
  const leader = voter(1, 0);
  test.each([
    ["all fetch", [leader, voter(0, 100), voter(2, 400)], LONG_MS, false],
    ["one is away", [leader, voter(0, 100), voter(2, 90_000)], LONG_MS, false],
    [
      "the last one fetched at the bound",
      [leader, voter(0, VOTER_SILENT_MS), voter(2, null)],
      LONG_MS,
      false,
    ],
    ["past the bound", [leader, voter(0, LONG_MS), voter(2, 90_000)], 0, true],
    [
      "two never fetched in a new epoch",
      [leader, voter(0, null), voter(2, null)],
      VOTER_SILENT_MS,
      false,
    ],
    ["two never fetched in an old one", [leader, voter(0, null), voter(2, null)], LONG_MS, true],
    [
      "one is silent, one never came, and the epoch is new",
      [leader, voter(0, LONG_MS), voter(2, null)],
      0,
      false,
    ],
    ["one is silent, one never came", [leader, voter(0, LONG_MS), voter(2, null)], LONG_MS, true],
    ["it is alone", [leader], LONG_MS, false],
    ["one of two is silent", [leader, voter(0, LONG_MS)], LONG_MS, true],
    [
      "a Kafka that gives no times",
      [voter(1, null), voter(0, null), voter(2, null)],
      LONG_MS,
      false,
    ],
  ] as const)("%s: %#", (_when, voters, knownForMs, isLost) => {
    expect(lostMajority(quorum(voters), knownForMs) !== undefined).toBe(isLost);
  });

  test("says who, and how many follow", () => {
    const said = lostMajority(quorum([leader, voter(0, LONG_MS), voter(2, LONG_MS)]), 0);
    expect(said).toBe(
      "node 1 says that it leads, but it has lost its majority: in 5s only 1 of 3 voters, itself included, fetched from it",
    );
  });

  test("a leader that is no voter needs a majority without itself", () => {
    const voters = [voter(0, 100), voter(2, LONG_MS), voter(3, LONG_MS)];
    expect(lostMajority(quorum(voters, { observers: [leader] }), 0)).toBeDefined();
    const two = [voter(0, 100), voter(2, 100), voter(3, LONG_MS)];
    expect(lostMajority(quorum(two, { observers: [leader] }), 0)).toBeUndefined();
  });

  test("a leader whose clock was set back: its own time is now, not that of who fetched before", () => {
    const ahead = { ...voter(0, 0), lastFetchAtMs: NOW_MS + 60_000 };
    const fetching = quorum([leader, voter(2, 100), ahead]);
    expect(lostMajority(fetching, LONG_MS)).toBeUndefined();
  });

  test("goes by the leader's clock alone, wherever that stands", () => {
    const silences = fc.array(fc.nat(20_000), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(silences, fc.integer({ min: 10 ** 5, max: 10 ** 13 }), (silentMs, atMs) => {
        const at = (baseMs: number) =>
          quorum([
            { ...leader, lastFetchAtMs: baseMs },
            ...silentMs.map((ms, i) => ({ ...voter(i + 2, 0), lastFetchAtMs: baseMs - ms })),
          ]);
        const following = 1 + silentMs.filter((ms) => ms <= VOTER_SILENT_MS).length;
        const isLost = following <= (silentMs.length + 1) / 2;
        expect(lostMajority(at(atMs), LONG_MS) !== undefined).toBe(isLost);
        expect(lostMajority(at(NOW_MS), LONG_MS) !== undefined).toBe(isLost);
      }),
    );
  });
});

test("resigns() is true from DescribeQuorum 2 on: Kafka 3.9", () => {
  expect([0, 1, 2, 3].map(resigns)).toEqual([false, false, true, true]);
});

test("openMajorityWatch() gives a voter its time anew in each epoch", () => {
  let nowMs = 0;
  const judge = openMajorityWatch(() => nowMs);
  const voters = [voter(1, 0), voter(0, null), voter(2, null)];
  const leads = (leaderEpoch: number) => judge(quorum(voters, { leaderEpoch })).leaderId;
  expect(leads(7)).toBe(1);
  nowMs += LONG_MS;
  expect(leads(7)).toBe(-1);
  expect(leads(8)).toBe(1);
  expect(judge(quorum(voters, { leaderEpoch: 8 })).voters).toEqual(voters);
});
