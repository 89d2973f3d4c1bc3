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

const PAUSE_MS = CLEANUP_TIMEOUT_MS + 2_000;

test("a control plane stopped for longer than CLEANUP_TIMEOUT, then continued, stops no worker", async () => {
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
