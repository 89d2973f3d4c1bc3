/** Kept offsets that are put back fit what the log holds by then. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { clamped } from "../../../../sidecar/control-plane/act/kept-offsets.ts";

const at = (...offsets: readonly [number, number][]) => ({ offsets: new Map(offsets) });

test.each([
  ["inside", 5, 5],
  ["at the start", 3, 3],
  ["before the start: records were deleted meanwhile", 1, 3],
  ["at the end", 9, 9],
  ["past the end: the log was cut", 12, 9],
])("clamped(), %s", (_, offset, expected) => {
  expect(clamped([[0, offset]], at([0, 3]), at([0, 9]))).toEqual([
    { partition: 0, offset: expected },
  ]);
});

test("clamped() leaves a partition out whose start or end is not known", () => {
  expect(
    clamped(
      [
        [0, 1],
        [1, 1],
      ],
      at([0, 0]),
      at([1, 9]),
    ),
  ).toEqual([]);
});

test("clamped() is always inside the log, and within it what was kept", () => {
  const ends = fc
    .tuple(fc.nat(), fc.nat())
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  fc.assert(
    fc.property(ends, fc.nat(), ([start, end], offset) => {
      const [one] = clamped([[0, offset]], at([0, start]), at([0, end]));
      const isInside = one !== undefined && one.offset >= start && one.offset <= end;
      return isInside && (offset < start || offset > end || one.offset === offset);
    }),
  );
});
