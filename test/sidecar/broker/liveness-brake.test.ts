/** Brokers that are silent at the same time are restarted in turn, and never one later than its turn. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { brakedMs } from "../../../sidecar/broker/liveness-brake.ts";

const BRAKE_MS = 120_000;
const SETTINGS = { livenessBrakeMs: BRAKE_MS };
const TURNS = 5;

type Row = {
  readonly when: string;
  readonly brokerId?: number;
  readonly peers: readonly [known: number, asked: number, answered: number] | undefined;
  readonly silentMs?: number;
  readonly want: number;
};

const rows: readonly Row[] = [
  { when: "nobody was asked", peers: undefined, want: 0 },
  { when: "there is one other", peers: [1, 1, 0], want: 0 },
  { when: "one of two could be asked", peers: [2, 1, 0], want: 0 },
  { when: "both others are silent", peers: [2, 2, 0], want: BRAKE_MS },
  { when: "one of two others is silent", peers: [2, 2, 1], want: 0 },
  { when: "half of four are silent", peers: [4, 4, 2], want: 0 },
  { when: "most of four are silent", peers: [4, 4, 1], want: BRAKE_MS },
  { when: "its turn is near", peers: [2, 2, 0], silentMs: 110_000, want: 10_000 },
  { when: "its turn has come", peers: [2, 2, 0], silentMs: BRAKE_MS, want: 0 },
  { when: "it is the first", brokerId: 0, peers: [2, 2, 0], want: 0 },
  { when: "it is the third", brokerId: 2, peers: [2, 2, 0], want: 2 * BRAKE_MS },
  { when: "ids begin elsewhere", brokerId: 1001, peers: [2, 2, 0], want: 2 * BRAKE_MS },
  { when: "it is the tenth of thirty", brokerId: 9, peers: [29, 8, 0], want: 4 * BRAKE_MS },
];

describe("brakedMs()", () => {
  test.each([...rows])("when $when: $want", ({ brokerId = 1, peers, silentMs = 0, want }) => {
    const [known = 0, asked = 0, answered = 0] = peers ?? [];
    const seen = {
      ...{ brokerId, silentMs },
      peers: peers === undefined ? undefined : { known, asked, answered },
    };
    expect(brakedMs(seen, SETTINGS)).toBe(want);
    expect(brakedMs(seen, { livenessBrakeMs: 0 })).toBe(0);
  });

  test("gives each of five brokers a turn of its own, and more brokers share them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(5000), (brokers, firstId) => {
        const known = brokers - 1;
        const peers = { known, asked: Math.min(known, 8), answered: 0 };
        const turns = Array.from({ length: brokers }, (_, n) =>
          brakedMs({ brokerId: firstId + n, peers, silentMs: 0 }, SETTINGS),
        );
        const distinct = new Set(turns);
        expect(distinct.size).toBe(Math.min(brokers, TURNS));
        expect(Math.min(...turns)).toBe(0);
        expect(Math.max(...turns)).toBe((distinct.size - 1) * BRAKE_MS);
      }),
    );
  });
});
