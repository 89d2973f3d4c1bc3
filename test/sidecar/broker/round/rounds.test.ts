/** Rounds: their pace, and what goes wrong in one. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { evaluate } from "../../../../sidecar/broker/check/evaluate.ts";
import { openRounds } from "../../../../sidecar/broker/round/rounds.ts";
import type { BrokerSnapshot } from "../../../../sidecar/broker/snapshot.ts";
import { until } from "../../../bed/condition.ts";
import { SETTINGS, snapshot } from "../snapshot-sample.ts";

const INTERVAL_MS = 60;
const SOON = { deadlineMs: 5000, intervalMs: 5 };

let ending = new AbortController();
afterEach(() => ending.abort());

type Take = (number: number, signal: AbortSignal) => Promise<BrokerSnapshot>;

function open(take: Take) {
  ending = new AbortController();
  const startsMs: number[] = [];
  const defects: unknown[] = [];
  let atOnce = 0;
  let atOnceMost = 0;
  const rounds = openRounds({
    intervalMs: INTERVAL_MS,
    take: async (signal) => {
      startsMs.push(performance.now());
      atOnce += 1;
      atOnceMost = Math.max(atOnceMost, atOnce);
      try {
        return await take(startsMs.length, signal);
      } finally {
        atOnce -= 1;
      }
    },
    evaluate: (now, before) => evaluate(now, SETTINGS, before),
    clock: systemClock,
    onRound: () => {},
    onDefect: (cause) => defects.push(cause),
  });
  const run = rounds.run(ending.signal);
  return { rounds, run, startsMs, defects, atOnceMost: () => atOnceMost };
}

const well = () => Promise.resolve(snapshot());

test("run() begins a round each interval", async () => {
  const { startsMs, run, rounds } = open(well);
  await until("rounds", () => startsMs.length >= 5, SOON);
  ending.abort();
  await run;
  const [first = 0] = startsMs;
  const least = startsMs.map((ms, index) => ms - first - index * INTERVAL_MS);
  // A timer may be a little early, and on a busy machine late.
  expect(Math.min(...least)).toBeGreaterThan(-5);
  expect(rounds.latest()?.judgement.verdicts[0]?.status).toBe("pass");
});

test("run() never has two rounds at once, and begins the next as soon as a slow one ends", async () => {
  const { startsMs, run, atOnceMost } = open(async () => {
    await Bun.sleep(2 * INTERVAL_MS);
    return snapshot();
  });
  await until("rounds", () => startsMs.length >= 4, SOON);
  ending.abort();
  await run;
  expect(atOnceMost()).toBe(1);
});

test("run() survives a round that fails, and keeps what the one before it found", async () => {
  const { rounds, run, startsMs, defects } = open((number) =>
    number === 1 ? well() : Promise.reject(new Error(`round ${number}`)),
  );
  await until("failed rounds", () => defects.length >= 3, SOON);
  const [first = 0] = startsMs;
  expect(rounds.latest()?.beganMs).toBeWithin(first - 5, first + 5);
  ending.abort();
  await run;
  expect(String(defects[0])).toContain("round 2");
});

test("run() ends at once, and takes nothing from a round that was cut short", async () => {
  const { rounds, run, startsMs } = open(
    (_number, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(snapshot({ answer: CUT })));
      }),
  );
  await until("a round", () => startsMs.length === 1, SOON);
  ending.abort();
  await run;
  expect(rounds.latest()).toBeUndefined();
});

const CUT = { kind: "silent", connected: true, detail: "cut short", durationMs: 1 } as const;
