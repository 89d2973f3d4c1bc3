/** A drain: what it takes for safe, when it gives up, and its route. Time is the test's own. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BUILD } from "../../../shared/build-info.ts";
import { type HttpBindings, openApp } from "../../../shared/http.ts";
import { openLog } from "../../../shared/log.ts";
import { openMetrics } from "../../../shared/metrics.ts";
import type { EvaluatedRound } from "../../../sidecar/broker/check/evaluate.ts";
import {
  DRAIN_MS_DEFAULT,
  DRAINS_MAX,
  type DrainDeps,
  drain,
  openWatch,
  watchRound,
} from "../../../sidecar/broker/drain.ts";
import type { Readings } from "../../../sidecar/broker/probe/status.ts";
import { brokerRoutes } from "../../../sidecar/broker/routes.ts";
import { clockOf } from "../../clock.ts";
import { judged, metadataOf, partition } from "./snapshot-sample.ts";

const INTERVAL_MS = 2000;
const never = new AbortController().signal;
const blocked = metadataOf({ a: [partition(7, [0, 1], [0])] });
const WAITS =
  "not safe to stop: 1 partition would be under min.insync.replicas: a-7; waiting for broker 1";

const silent = { answer: { kind: "silent", detail: "no answer", durationMs: 2000 } } as const;

/** Rounds begin at every INTERVAL_MS and end at once; `isSafe` says which finds it safe. */
function openWorld(
  isSafe: (round: number) => boolean,
  changed: Partial<Readings> = {},
  isAlive: (round: number) => boolean = () => true,
) {
  let nowMs = 500;
  const lines: string[] = [];
  const rounds: EvaluatedRound[] = [];
  const roundAt = (number: number): EvaluatedRound => {
    const seen = isSafe(number) ? {} : blocked;
    rounds[number] ??= judged(
      isAlive(number) ? seen : { ...seen, ...silent },
      number * INTERVAL_MS,
    );
    return rounds[number];
  };
  const readings: Readings = {
    brokerId: 0,
    latest: () => roundAt(Math.floor(nowMs / INTERVAL_MS)),
    misconfigured: undefined,
    staleAfterMs: 3 * INTERVAL_MS,
    gates: { liveness: "local", futureReplicas: "warn" },
    clock: clockOf({ monotonicMs: () => nowMs }),
    ...changed,
  };
  const stop = new AbortController();
  const deps: DrainDeps = {
    readings,
    sleep: (ms) => {
      nowMs += ms;
      return Promise.resolve();
    },
    stopping: stop.signal,
    log: openLog({
      ...{
        level: "info",
        format: "json",
        write: (line) => lines.push(line),
        clock: clockOf({ nowMs: () => 0 }),
      },
    }),
  };
  return { deps, lines, stop, at: (ms: number) => nowMs >= ms };
}

describe("drain()", () => {
  test("answers after two safe rounds in a row that began after it did", async () => {
    const { deps, lines } = openWorld(() => true);
    const { safe, ending, waitedMs, waitedFor } = await drain(60_000, never, deps);
    expect([safe, ending, waitedMs, waitedFor]).toEqual([true, "safe", 3500, []]);
    expect(lines.length).toBe(2);
  });
  test("begins to count anew after an unsafe round, and says why it waited", async () => {
    const { deps } = openWorld((round) => round === 1 || round >= 3);
    const { safe, waitedMs, waitedFor, error } = await drain(60_000, never, deps);
    expect([safe, waitedMs, error]).toEqual([true, 7500, undefined]);
    expect(waitedFor).toEqual([WAITS]);
  });
  test("gives up at its timeout, and says what is still unsafe", async () => {
    const { deps, lines } = openWorld(() => false);
    const drained = await drain(25_000, never, deps);
    expect(drained).toEqual({
      ...{ brokerId: 0, safe: false, ending: "timeout", waitedMs: 25_000, timeoutMs: 25_000 },
      ...{ error: WAITS, waitedFor: [WAITS], blockingTotal: 1, neverSafe: [], neverSafeTotal: 0 },
      blocking: [{ topic: "a", partition: 7, isr: [0], minInsyncReplicas: null, waitingFor: [1] }],
    });
    const waits = lines.filter((line) => line.includes("a drain waits"));
    expect(waits.length).toBe(3);
    expect(lines.at(-1)).toContain("not safe to stop");
  });
  test("is not safe at its timeout after one safe round alone", async () => {
    const { deps } = openWorld((round) => round >= 3);
    const drained = await drain(6000, never, deps);
    expect([drained.safe, drained.error]).toEqual([false, "safe for 1 of 2 rounds in a row"]);
  });
  test("does not believe rounds that have stopped", async () => {
    const old = judged({}, 0);
    const { deps } = openWorld(() => true, { latest: () => old });
    const drained = await drain(20_000, never, deps);
    expect(drained.safe).toBe(false);
    expect(drained.error).toContain("the last round is 20.5s old");
  });
  test("ends when the sidecar stops, and when nobody listens any more", async () => {
    const { deps, stop } = openWorld(() => false);
    stop.abort();
    expect((await drain(60_000, never, deps)).ending).toBe("sidecar-stopping");
    const gone = AbortSignal.abort();
    expect((await drain(60_000, gone, openWorld(() => false).deps)).ending).toBe("client-gone");
  });
  test("does not wait where the configuration is wrong: no round will come", async () => {
    const wrong = { misconfigured: "no BROKER_ID", latest: () => undefined };
    const drained = await drain(60_000, never, openWorld(() => true, wrong).deps);
    expect([drained.safe, drained.waitedMs, drained.error]).toEqual([false, 0, "no BROKER_ID"]);
  });
});

describe("drain() of a broker that does not answer", () => {
  test("ends after two rounds in a row, and says so", async () => {
    const { deps } = openWorld(
      () => false,
      {},
      () => false,
    );
    const { safe, ending, waitedMs } = await drain(60_000, never, deps);
    expect([safe, ending, waitedMs]).toEqual([false, "not-alive", 3500]);
  });
  test("waits on after one such round", async () => {
    const { deps } = openWorld(
      (round) => round > 8,
      {},
      (round) => round % 2 === 0,
    );
    expect((await drain(15_000, never, deps)).ending).toBe("timeout");
  });
});

describe("watchRound()", () => {
  const sights = fc.array(
    fc.record({
      beganMs: fc.integer({ min: 0, max: 50 }),
      safe: fc.boolean(),
      alive: fc.boolean(),
      reason: fc.string(),
    }),
  );
  test("counts the newest rounds in a row, each once, and none from before", () => {
    fc.assert(
      fc.property(sights, (seen) => {
        const watch = seen.reduce(watchRound, openWatch(10));
        const counted: typeof seen = [];
        for (const one of seen) {
          if (one.beganMs > (counted.at(-1)?.beganMs ?? 10)) counted.push(one);
        }
        const lastUnsafe = counted.findLastIndex(({ safe }) => !safe);
        expect(watch.safeInRow).toBe(counted.length - 1 - lastUnsafe);
        const lastAlive = counted.findLastIndex(({ alive }) => alive);
        expect(watch.lifelessInRow).toBe(counted.length - 1 - lastAlive);
        expect(watch.waitedFor.length).toBeLessThanOrEqual(5);
      }),
    );
  });
});

describe("GET /drain", () => {
  function open(deps: DrainDeps) {
    const asked: number[] = [];
    const env: HttpBindings = { idle: (ms) => asked.push(ms), within: (ms) => asked.push(ms) };
    const routes = brokerRoutes({ ...deps, metrics: openMetrics(), probed: () => undefined });
    const app = openApp({ routes, build: BUILD, log: deps.log });
    const ask = async (query: string) => await app.request(`/drain${query}`, {}, env);
    return { ask, asked };
  }
  test("is 200 when safe, with no idle timeout and its own limit", async () => {
    const { ask, asked } = open(openWorld(() => true).deps);
    const response = await ask("?timeout=30s");
    expect(response.status).toBe(200);
    const body = { brokerId: 0, safe: true, ending: "safe", timeoutMs: 30_000 };
    expect(await response.json()).toMatchObject(body);
    expect(asked).toEqual([0, 35_000]);
  });
  test("is 503 at its timeout, two minutes when none is given", async () => {
    const response = await open(openWorld(() => false).deps).ask("");
    expect(response.status).toBe(503);
    const want = { safe: false, ending: "timeout", waitedMs: DRAIN_MS_DEFAULT };
    expect(await response.json()).toMatchObject(want);
  });
  test.each([
    ["120", "timeout=120: a unit is missing: 120s or 120m?"],
    ["-1s", "timeout=-1s: a duration cannot be negative"],
    ["999ms", "timeout=999ms: from 1s to 1h"],
    ["1h1ms", "timeout=1h1ms: from 1s to 1h"],
    ["", "timeout=: is not a duration such as 30s, 1.5h or 1h30m"],
  ])("is 400 for timeout=%s", async (text, error) => {
    const response = await open(openWorld(() => true).deps).ask(`?timeout=${text}`);
    expect([response.status, await response.text()]).toEqual([400, JSON.stringify({ error })]);
  });
  test.each(["1s", "1h"])("takes timeout=%s", async (text) => {
    const response = await open(openWorld(() => true).deps).ask(`?timeout=${text}`);
    expect(response.status).not.toBe(400);
  });
  test("is 429 past DRAINS_MAX at once, and free again when those have ended", async () => {
    const world = openWorld(() => true);
    const held: (() => void)[] = [];
    const sleep = (ms: number) =>
      new Promise<void>((resolve) => {
        held.push(() => void world.deps.sleep(ms, never).then(resolve));
      });
    const { ask } = open({ ...world.deps, sleep });
    const all = Array.from({ length: DRAINS_MAX }, () => ask("?timeout=10s"));
    expect((await ask("?timeout=10s")).status).toBe(429);
    world.stop.abort();
    for (const go of held.splice(0)) go();
    for (const response of await Promise.all(all)) expect(response.status).toBe(503);
    expect((await ask("?timeout=10s")).status).toBe(503);
  });
});
