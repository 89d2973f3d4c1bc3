/** When workers without a registration are too many to be believed. */
import { describe, expect, test } from "bun:test";
import type { ClientId } from "../../../../shared/protocol/client-id.ts";
import { acceptOrphans, readOrphans } from "../../../../sidecar/control-plane/plan/orphan-share.ts";
import { openBench } from "../leader.ts";
import { clusterOf, idOf, workerOf } from "../sample.ts";

const PERCENT = 30;

/** So many workers, of which the first `registered` have a cluster. */
function bookOf(workers: number, registered: number, listed = true) {
  const { leaderState } = openBench();
  const ids: readonly ClientId[] = Array.from({ length: workers }, (_, n) => idOf(`w-${n}`));
  for (const id of ids.slice(0, registered)) {
    leaderState.fleet.clusters.set(id, clusterOf({ clientId: id }));
  }
  const running = ids.map((id) => workerOf({ clientId: id, name: `kg-graph-builder-${id}` }));
  if (listed) leaderState.actual.fold({ workers: running, foreign: [] }, leaderState.actual.mark());
  return { leaderState, running };
}

describe("readOrphans()", () => {
  test.each([
    { workers: 2, registered: 0, holds: false, why: "two are leftovers, whatever their share" },
    { workers: 3, registered: 0, holds: true, why: "three of three" },
    { workers: 10, registered: 7, holds: false, why: "three of ten are 30 %, not more" },
    { workers: 9, registered: 6, holds: true, why: "three of nine are more" },
    { workers: 100, registered: 70, holds: false, why: "30 of 100" },
    { workers: 100, registered: 69, holds: true, why: "31 of 100" },
  ])(
    "$registered of $workers registered: holds is $holds ($why)",
    ({ workers, registered, holds }) => {
      const { leaderState } = bookOf(workers, registered);
      expect(readOrphans(leaderState, PERCENT)).toEqual({
        holds,
        orphans: workers - registered,
        workers,
      });
    },
  );
  test("never holds at 100 %", () => {
    expect(readOrphans(bookOf(9, 0).leaderState, 100).holds).toBe(false);
  });
});

describe("acceptOrphans()", () => {
  test("lets those go that are orphans now, not later ones", () => {
    const { leaderState, running } = bookOf(4, 1);
    expect(acceptOrphans(leaderState)).toBe(3);
    expect(readOrphans(leaderState, PERCENT)).toMatchObject({ holds: false, orphans: 0 });
    const more = ["n-1", "n-2", "n-3"].map((id) => workerOf({ clientId: idOf(id), name: id }));
    leaderState.actual.fold(
      { workers: [...running, ...more], foreign: [] },
      leaderState.actual.mark(),
    );
    expect(readOrphans(leaderState, PERCENT)).toMatchObject({ holds: true, orphans: 3 });
  });
  test("before the first listing, waits for it", () => {
    const { leaderState } = bookOf(3, 0, false);
    expect(acceptOrphans(leaderState)).toBe(0);
    expect(leaderState.orphansAcceptedUnlisted).toBe(true);
  });
});
