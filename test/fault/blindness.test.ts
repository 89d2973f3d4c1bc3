import { expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import type { Broker } from "../bed/kafka/broker.ts";
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

test.concurrent.each([
  ["stopped", (broker: Broker) => broker.stop()],
  ["killed", (broker: Broker) => broker.kill("SIGKILL")],
] as const)(
  "Kafka %s for longer than CLEANUP_TIMEOUT stops no worker",
  async (how, end) => {
    await onStage({}, async ({ kafka, sender, beats, lead, pids, settled }) => {
      const plane = await lead();
      // Wrong clocks neither kill nor save anybody.
      beats.on("day-ahead", clockOff(DAY_MS));
      beats.on("hour-behind", clockOff(-3_600_000));
      const ids = ["one", "two", "three", "day-ahead", "hour-behind"];
      await settled(plane, ids);
      const before = pids();
      const broker = kafka.broker(0);
      await end(broker);
      const sinceMs = performance.now();
      await passed(sinceMs, OUTAGE_MS);
      expect(pids()).toEqual(before);
      await broker.start();
      const backMs = performance.now();
      await beatsGoOn(plane, 4 * ids.length);
      say(`${how}: beats went on ${Math.round(performance.now() - backMs)} ms after Kafka served`);
      expect(pids()).toEqual(before);
      expect((await plane.cluster("day-ahead"))?.last_heartbeat?.skew_seconds).toBeLessThan(
        -80_000,
      );
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
      say(`${how}: silent ones cleaned up after ${Math.round(performance.now() - silentMs)} ms`);
      expect(await allIn(plane, ["two", "day-ahead"], "dead")).toBe(true);
      for (const id of left) expect(pids()[id]).toEqual(before[id] ?? []);
      await sender.register("four");
      await until("a worker for a new one", () => oneEach(pids(), [...left, "four"]), {
        deadlineMs: SOON_MS,
      });
    });
  },
  180_000,
);

const PAUSE_MS = CLEANUP_TIMEOUT_MS + 2_000;

test.concurrent("a control plane stopped for longer than CLEANUP_TIMEOUT, then continued, stops no worker", async () => {
  await onStage({}, async ({ beats, lead, pids, settled }) => {
    const plane = await lead();
    const ids = ["beats-on", "falls-silent", "returns"];
    await settled(plane, ids);
    const before = pids();
    const epochBefore = (await plane.health()).epoch;
    // One beats all the while, one is never heard again, one is silent just as long as we are away.
    plane.process.kill("SIGSTOP");
    const sinceMs = performance.now();
    beats.off("falls-silent");
    beats.off("returns");
    await passed(sinceMs, PAUSE_MS);
    plane.process.kill("SIGCONT");
    const wokeMs = performance.now();
    await beatsGoOn(plane, 4);
    expect(pids()).toEqual(before);
    beats.on("returns");
    await until("it to lead", async () => (await plane.health()).role === "leader", {
      deadlineMs: 2 * SOON_MS,
    });
    const { epoch } = await plane.health();
    expect(epoch ?? -1).toBeGreaterThan(epochBefore ?? -1);
    say(
      `led again ${Math.round(performance.now() - wokeMs)} ms after SIGCONT, epoch ${epochBefore} -> ${epoch}`,
    );
    expect(pids()).toEqual(before);
    await until("the silent one's end", () => oneEach(pids(), ["beats-on", "returns"]), {
      deadlineMs: CLEANED_MS,
    });
    const afterMs = performance.now() - wokeMs;
    say(`the silent one was cleaned up ${Math.round(afterMs)} ms after SIGCONT`);
    // No time passed for it while we were stopped.
    expect(afterMs).toBeGreaterThan(CLEANUP_TIMEOUT_MS / 2);
    expect(await allIn(plane, ["falls-silent"], "dead")).toBe(true);
    expect(pids()["beats-on"]).toEqual(before["beats-on"] ?? []);
    expect(pids()["returns"]).toEqual(before["returns"] ?? []);
  });
}, 120_000);
