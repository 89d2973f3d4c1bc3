import { expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import { say } from "./say.ts";
import {
  allIn,
  beatsGoOn,
  CLEANED_MS,
  CLEANUP_TIMEOUT_MS,
  oneEach,
  onStage,
  passed,
  SOON_MS,
} from "./stage.ts";

const DAY_MS = 86_400_000;
const OUTAGE_MS = CLEANUP_TIMEOUT_MS + 2_000;

const clockOff = (byMs: number) => () => ({
  timestamp: new Date(Date.now() + byMs).toISOString(),
});

test("Kafka away for longer than CLEANUP_TIMEOUT stops no worker, stopped or killed", async () => {
  await onStage({}, async ({ kafka, sender, beats, lead, pids, settled }) => {
    const plane = await lead();
    // Wrong clocks neither kill nor save anybody.
    beats.on("day-ahead", clockOff(DAY_MS));
    beats.on("hour-behind", clockOff(-3_600_000));
    const ids = ["one", "two", "three", "day-ahead", "hour-behind"];
    await settled(plane, ids);
    const before = pids();
    const broker = kafka.broker(0);
    for (const end of [broker.stop, () => broker.kill("SIGKILL")]) {
      await end();
      const sinceMs = performance.now();
      await passed(sinceMs, OUTAGE_MS);
      expect(pids()).toEqual(before);
      await broker.start();
      const backMs = performance.now();
      await beatsGoOn(plane, 4 * ids.length);
      say(`beats went on ${Math.round(performance.now() - backMs)} ms after Kafka served`);
      expect(pids()).toEqual(before);
    }
    expect((await plane.cluster("day-ahead"))?.last_heartbeat?.skew_seconds).toBeLessThan(-80_000);
    expect((await plane.cluster("hour-behind"))?.last_heartbeat?.skew_seconds).toBeGreaterThan(
      3_500,
    );
    // What really falls silent afterwards is still cleaned up, and nobody else.
    beats.off("two");
    beats.off("day-ahead");
    const left = ["one", "three", "hour-behind"];
    const silentMs = performance.now();
    await until("the clean-up of the silent", () => oneEach(pids(), left), {
      deadlineMs: CLEANED_MS,
    });
    say(`silent ones cleaned up after ${Math.round(performance.now() - silentMs)} ms`);
    expect(await allIn(plane, ["two", "day-ahead"], "dead")).toBe(true);
    for (const id of left) expect(pids()[id]).toEqual(before[id] ?? []);
    await sender.register("four");
    await until("a worker for a new one", () => oneEach(pids(), [...left, "four"]), {
      deadlineMs: SOON_MS,
    });
  });
}, 180_000);
