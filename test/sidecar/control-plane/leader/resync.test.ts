/** What each resync looks at again. */
import { describe, expect, test } from "bun:test";
import { createInbox } from "../../../../sidecar/control-plane/inbox.ts";
import { keepResyncing } from "../../../../sidecar/control-plane/leader/resync.ts";
import type { LeaderState } from "../../../../sidecar/control-plane/state/leader-state.ts";
import { until } from "../../../bed/condition.ts";
import { silentLog } from "../../../contract/runtime-subject.ts";
import { openBench } from "../leader.ts";
import { A, B, clusterOf } from "../sample.ts";

const KEPT = { read_at: "2026-01-01T00:00:00.000Z", topics: [] };
const SOON = { deadlineMs: 5_000, intervalMs: 1 };

/** A leader that lists every millisecond, after its first listing. */
async function resyncing(play: (leaderState: LeaderState) => Promise<void>): Promise<void> {
  const bench = openBench();
  const { leaderState, runtime, deps } = bench;
  const end = new AbortController();
  const running = keepResyncing({
    ...{ leaderState, runtime, outcomes: deps.outcomes, signal: end.signal },
    inbox: createInbox(() => 0),
    settings: { reconcileIntervalMs: 1, workerMinReadyMs: 60_000 },
    readTime: () => ({ ...deps.readTime(), monotonicMs: performance.now() }),
    log: silentLog,
  });
  await until("the first listing", () => leaderState.actual.listed(), SOON);
  await play(leaderState);
  end.abort();
  await running;
}

describe("the offsets of a cluster that died without a stop of ours", () => {
  test("are read on the next resync, and again where they could not be", () =>
    resyncing(async (leaderState) => {
      leaderState.fleet.clusters.set(A, clusterOf({ state: "dead" }));
      const kept = clusterOf({ clientId: B, state: "dead", facts: { offsets: KEPT } });
      leaderState.fleet.clusters.set(B, kept);
      for (let resync = 0; resync < 3; resync += 1) {
        await until("it to be asked for", () => leaderState.unkept.size > 0, SOON);
        expect([...leaderState.unkept]).toEqual([A]);
        leaderState.unkept.clear();
      }
    }));
  test("are not read while it is alive", () =>
    resyncing(async (leaderState) => {
      leaderState.fleet.clusters.set(A, clusterOf());
      leaderState.dirty.clear();
      await until("a resync", () => leaderState.dirty.has(A), SOON);
      expect(leaderState.unkept.size).toBe(0);
    }));
});
