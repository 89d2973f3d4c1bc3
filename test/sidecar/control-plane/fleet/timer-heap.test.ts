/** Deadlines in a heap: what a sorted list would give. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createTimerHeap } from "../../../../sidecar/control-plane/fleet/timer-heap.ts";

type Move =
  | { readonly kind: "add"; readonly atMs: number }
  | { readonly kind: "take"; readonly nowMs: number };
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.nat(50).map((atMs) => ({ kind: "add", atMs }) as const) },
  { weight: 1, arbitrary: fc.nat(50).map((nowMs) => ({ kind: "take", nowMs }) as const) },
);

describe("createTimerHeap()", () => {
  test("takes what a sorted list takes, earliest first, each item once", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        const heap = createTimerHeap<{ readonly atMs: number; readonly item: number }>();
        let list: { readonly atMs: number; readonly item: number }[] = [];
        const taken: number[] = [];
        moves.forEach((one, item) => {
          if (one.kind === "add") {
            heap.add({ atMs: one.atMs, item });
            list.push({ atMs: one.atMs, item });
          } else {
            const due = list.filter(({ atMs }) => atMs <= one.nowMs);
            list = list.filter(({ atMs }) => atMs > one.nowMs);
            const got = heap.take(one.nowMs).map(({ item: each }) => each);
            const atOf = new Map(due.map((entry) => [entry.item, entry.atMs]));
            expect(got.map((it) => atOf.get(it) ?? Number.NaN)).toEqual(
              due.map(({ atMs }) => atMs).sort((a, b) => a - b),
            );
            taken.push(...got);
          }
          expect(heap.size()).toBe(list.length);
          expect(heap.nextMs()).toBe(list.map(({ atMs }) => atMs).sort((a, b) => a - b)[0]);
        });
        expect(new Set(taken).size).toBe(taken.length);
      }),
    );
  });
  test("takes at the deadline, not a millisecond before", () => {
    const heap = createTimerHeap<{ readonly atMs: number; readonly item: string }>();
    heap.add({ atMs: 100, item: "x" });
    expect(heap.take(99)).toEqual([]);
    expect(heap.take(100)).toEqual([{ atMs: 100, item: "x" }]);
  });
});
