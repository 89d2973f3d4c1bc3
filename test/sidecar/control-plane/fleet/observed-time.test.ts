/** Observed time: what counts as time, and what never does. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Ages, createAges } from "../../../../sidecar/control-plane/fleet/observed-time.ts";

const INTERVAL_MS = 2_000;
const TIMEOUT_MS = 24_000;
const settings = { intervalMs: INTERVAL_MS, heartbeatTimeoutMs: TIMEOUT_MS };
const agesOf = (partitions: number) => createAges({ ...settings, partitions });

/** Sends the rounds, from 1 on, at these times and reads each back on all partitions. */
function observe(ages: Ages, sentMs: readonly number[]): void {
  for (const [index, atMs] of sentMs.entries()) {
    const round = index + 1;
    ages.sent(round, atMs);
    for (let partition = 0; partition < ages.partitions; partition += 1)
      ages.read(partition, round);
  }
}

describe("createAges()", () => {
  const cases: readonly { name: string; sentMs: readonly number[]; want: number; gap: boolean }[] =
    [
      { name: "no time before the first tick", sentMs: [], want: 0, gap: false },
      { name: "no time at the first tick", sentMs: [90_000], want: 0, gap: false },
      { name: "the time between two ticks", sentMs: [0, 2_001], want: 2_001, gap: false },
      { name: "a step of two intervals, whole", sentMs: [0, 4_000], want: 4_000, gap: false },
      { name: "a longer step, cut, as a gap", sentMs: [0, 4_001], want: 4_000, gap: true },
      { name: "an hour of pause as two intervals", sentMs: [0, 3_600_000], want: 4_000, gap: true },
    ];
  test.each([...cases])("counts $name", ({ sentMs, want, gap }) => {
    const ages = agesOf(1);
    observe(ages, sentMs);
    expect(ages.observedMs(0)).toBe(want);
    expect(ages.observedMs(ages.joint)).toBe(want);
    expect(ages.inGap(0)).toBe(gap);
    expect(ages.inGap(ages.joint)).toBe(gap);
  });
  test("a gap ends after one heartbeat timeout of observed time, to the millisecond", () => {
    const ages = agesOf(1);
    const steps = Array.from({ length: 12 }, (_, index) => 10_000 + (index + 1) * INTERVAL_MS);
    observe(ages, [0, 10_000, ...steps.slice(0, 11), 33_999]);
    expect(ages.inGap(0)).toBe(true);
    ages.sent(99, 34_000);
    ages.read(0, 99);
    expect(ages.inGap(0)).toBe(false);
  });
  test("the joint clock stands where the slowest partition stands", () => {
    const ages = agesOf(2);
    for (const round of [1, 2, 3]) ages.sent(round, round * INTERVAL_MS);
    expect(ages.read(0, 1)).toEqual([0]);
    expect(ages.read(1, 1)).toEqual([1, 2]);
    expect(ages.read(0, 3)).toEqual([0]);
    expect(ages.read(1, 2)).toEqual([1, 2]);
    expect([0, 1, 2].map(ages.observedMs)).toEqual([4_000, 2_000, 2_000]);
  });
  test("a partition without a leader stops itself and the joint clock, no other", () => {
    const ages = agesOf(2);
    for (let round = 1; round <= 10; round += 1) {
      ages.sent(round, round * INTERVAL_MS);
      ages.read(0, round);
    }
    expect([0, 1, 2].map(ages.observedMs)).toEqual([18_000, 0, 0]);
  });
  test.each([
    ["a tick that was never sent", 0, 7],
    ["a tick of a partition that is not ours", 1, 1],
  ])("ignores %s", (_name, partition, round) => {
    const ages = agesOf(1);
    ages.sent(1, 0);
    expect(ages.read(partition, round)).toEqual([]);
  });
  test("the 4096th unread round still counts, the one before it no more", () => {
    const ages = agesOf(1);
    for (let round = 1; round <= 4097; round += 1) ages.sent(round, round);
    expect(ages.read(0, 1)).toEqual([]);
    expect(ages.read(0, 2)).toEqual([0, 1]);
  });
  test("knows when the newest tick of the slowest partition was sent", () => {
    const ages = agesOf(2);
    ages.sent(1, 5);
    ages.sent(2, 7);
    ages.read(1, 2);
    expect(ages.slowestReadMs()).toBeUndefined();
    ages.read(0, 1);
    expect(ages.slowestReadMs()).toBe(5);
  });
});

describe("createAges() properties", () => {
  type Move = { readonly afterMs: number; readonly reads: readonly [number, number][] };
  const PARTITIONS = 3;
  const read = fc.tuple(fc.nat(PARTITIONS - 1), fc.nat(30));
  const move: fc.Arbitrary<Move> = fc.record({
    afterMs: fc.oneof(fc.nat(2 * INTERVAL_MS), fc.nat(10 * TIMEOUT_MS)),
    reads: fc.array(read, { maxLength: 6 }),
  });
  /** Plays the moves; `look` sees the clocks after each read, with the monotonic time by then. */
  const play = (moves: readonly Move[], look: (ages: Ages, nowMs: number) => void): void => {
    const ages = agesOf(PARTITIONS);
    let nowMs = 1_000_000;
    moves.forEach(({ afterMs, reads }, index) => {
      nowMs += afterMs;
      ages.sent(index + 1, nowMs);
      for (const [partition, wanted] of reads) {
        ages.read(partition, wanted);
        look(ages, nowMs);
      }
    });
  };
  const CLOCKS = Array.from({ length: PARTITIONS + 1 }, (_, index) => index);

  test("no clock runs backwards, nor ahead of monotonic time, in any order of arrival", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
        const before = CLOCKS.map(() => 0);
        play(moves, (ages, nowMs) => {
          for (const clock of CLOCKS) {
            const observedMs = ages.observedMs(clock);
            expect(observedMs).toBeGreaterThanOrEqual(before[clock] ?? 0);
            expect(observedMs).toBeLessThanOrEqual(nowMs - 1_000_000);
            before[clock] = observedMs;
          }
        });
      }),
    );
  });
  test("one read is at most two intervals on its partition, and nothing on the others", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
        const before = CLOCKS.map(() => 0);
        play(moves, (ages) => {
          const now = CLOCKS.map(ages.observedMs);
          const grown = now.filter((ms, clock) => ms > (before[clock] ?? 0));
          expect(grown.filter((_, index) => index < PARTITIONS).length).toBeLessThanOrEqual(2);
          for (const clock of CLOCKS) {
            expect((now[clock] ?? 0) - (before[clock] ?? 0)).toBeLessThanOrEqual(2 * INTERVAL_MS);
            before[clock] = now[clock] ?? 0;
          }
        });
      }),
    );
  });
  test("a tick read twice counts once", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
        const once: number[][] = [];
        const twice: number[][] = [];
        play(moves, (ages) => once.push(CLOCKS.map(ages.observedMs)));
        const doubled = moves.map(({ afterMs, reads }) => ({
          afterMs,
          reads: reads.flatMap((one) => [one, one]),
        }));
        play(doubled, (ages) => twice.push(CLOCKS.map(ages.observedMs)));
        expect(twice.filter((_, index) => index % 2 === 1)).toEqual(once);
      }),
    );
  });
});
