import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Cost, nextJob } from "./order.ts";

const ROOM = { cpus: 2, atOnceMax: 4 };
const cost = (seconds: number, load: number): Cost => ({ seconds, cpuSeconds: seconds * load });

describe("nextJob()", () => {
  test.each([
    ["the largest first", [cost(10, 0.1), cost(90, 0.1), cost(50, 0.1)], [], 1],
    ["the largest that there is room for", [cost(90, 1.2), cost(50, 0.3)], [cost(60, 1.2)], 1],
    ["none when there is room for none", [cost(90, 1.2)], [cost(60, 1.2)], undefined],
    ["one that needs more than there is, when nothing runs", [cost(90, 3)], [], 0],
    ["none when enough run", [cost(9, 0)], Array.from({ length: 4 }, () => cost(9, 0)), undefined],
    ["one that is not in the table among the others", [cost(30, 0.1), undefined], [], 1],
    ["none of none", [], [], undefined],
  ] as const)("is %s", (_, waiting, running, place) => {
    expect(nextJob(waiting, running, ROOM)).toBe(place);
  });

  test("gets every job done, whatever they cost", () => {
    const costs = fc.option(fc.record({ seconds: fc.nat(400), cpuSeconds: fc.nat(800) }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(fc.array(costs), fc.integer({ min: 1, max: 6 }), (jobs, atOnceMax) => {
        const waiting = [...jobs];
        const running: (Cost | undefined)[] = [];
        while (waiting.length > 0) {
          const place = nextJob(waiting, running, { cpus: 2, atOnceMax });
          if (place === undefined) running.shift();
          else running.push(...waiting.splice(place, 1));
          expect(running.length).toBeLessThanOrEqual(atOnceMax);
        }
      }),
    );
  });
});
