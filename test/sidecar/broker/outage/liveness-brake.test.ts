/** Brokers that are silent at the same time are restarted in turn, and never one later than its turn. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { brakedMs, isSharedNow } from "../../../../sidecar/broker/outage/liveness-brake.ts";

const BRAKE_MS = 120_000;
const SETTINGS = { livenessBrakeMs: BRAKE_MS };
const TURNS = 5;

describe("isSharedNow()", () => {
  type Row = readonly [
    when: string,
    was: boolean,
    peers: readonly [asked: number, answered: number, untaken?: number] | undefined,
    want: boolean,
    isLocalTaken?: boolean,
  ];
  const rows: readonly Row[] = [
    ["nobody was asked yet", false, undefined, false],
    ["there is one other", false, [1, 0], false],
    ["both others are silent", false, [2, 0], true],
    ["one of two is silent", false, [2, 1], false],
    ["half of four are silent", false, [4, 2], false],
    ["most of four are silent", false, [4, 1], true],
    ["all others answer", false, [4, 4], false],
    ["it was, and one of two answers again", true, [2, 1], true],
    ["it was, and one of eight is still silent", true, [8, 7], true],
    ["it was, and all answer again", true, [2, 2], false],
    ["it was, and nobody can be asked any more", true, [0, 0], true],
    ["it was, and nobody was asked in this round", true, undefined, true],
    ["nobody takes a connection, but the local broker", false, [2, 0, 2], false],
    ["nobody takes a connection at all", false, [2, 0, 2], true, false],
    ["two of three take no connection, nor the local one", false, [3, 1, 2], true, false],
    ["it was, two answer, and two take no connection", true, [4, 2, 2], true],
    ["it was, and nobody takes a connection any more", true, [2, 0, 2], true],
  ];
  test.each([...rows])("when %s", (_when, was, peers, want, isLocalTaken = true) => {
    const [asked = 0, answered = 0, untaken = 0] = peers ?? [];
    const seen = peers === undefined ? undefined : { known: 9, asked, answered, untaken };
    expect(isSharedNow(was, seen, isLocalTaken)).toBe(want);
  });
});

describe("brakedMs()", () => {
  const silence = (known: number, forMs: number, isShared = true) => ({
    ...{ forMs, isShared, peers: { known, asked: Math.min(known, 8), answered: 0, untaken: 0 } },
  });
  type Row = {
    readonly when: string;
    readonly brokerId?: number;
    readonly known?: number;
    readonly forMs?: number;
    readonly isShared?: boolean;
    readonly want: number;
  };
  const rows: readonly Row[] = [
    { when: "it is silent alone", isShared: false, want: 0 },
    { when: "it is the second of three", want: BRAKE_MS },
    { when: "its turn is near", forMs: 110_000, want: 10_000 },
    { when: "its turn has come", forMs: BRAKE_MS, want: 0 },
    { when: "it is the first", brokerId: 0, want: 0 },
    { when: "it is the third", brokerId: 2, want: 2 * BRAKE_MS },
    { when: "ids begin elsewhere", brokerId: 1001, want: 2 * BRAKE_MS },
    { when: "it is the tenth of thirty", brokerId: 9, known: 29, want: 4 * BRAKE_MS },
  ];
  test.each([...rows])("when $when: $want", (row) => {
    const { brokerId = 1, known = 2, forMs = 0, isShared = true, want } = row;
    const seen = { brokerId, silence: silence(known, forMs, isShared) };
    expect(brakedMs(seen, SETTINGS)).toBe(want);
    expect(brakedMs(seen, { livenessBrakeMs: 0 })).toBe(0);
  });

  test("is 0 for a broker that is not silent", () => {
    expect(brakedMs({ brokerId: 1, silence: undefined }, SETTINGS)).toBe(0);
  });

  test("gives each of five brokers with ids in a row a turn of its own, and more brokers share them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(5000), (brokers, firstId) => {
        const turns = Array.from({ length: brokers }, (_, n) =>
          brakedMs({ brokerId: firstId + n, silence: silence(brokers - 1, 0) }, SETTINGS),
        );
        const distinct = new Set(turns);
        expect(distinct.size).toBe(Math.min(brokers, TURNS));
        expect(Math.min(...turns)).toBe(0);
        expect(Math.max(...turns)).toBe((distinct.size - 1) * BRAKE_MS);
      }),
    );
  });
});
