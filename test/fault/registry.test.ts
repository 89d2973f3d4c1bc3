import { expect, test } from "bun:test";
import { REGISTRY } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { startKafka } from "../bed/kafka/kafka.ts";
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

test.concurrent("an empty registry, of a wrong Kafka, stops nobody and says so", async () => {
  await onStage({}, async ({ lead, pids, settled, atEnd }) => {
    const right = await lead();
    await settled(right, ["one", "two", "three"]);
    const before = pids();
    right.process.kill("SIGKILL");
    await right.process.exited;
    const other = await startKafka();
    atEnd(() => other.stop());
    const wrong = await lead({ KAFKA_BROKERS: other.bootstrap });
    await timeIsObserved(wrong, 2 * CLEANUP_TIMEOUT_MS);
    expect(pids()).toEqual(before);
    expect(await wrong.metric("outrider_held_clusters")).toBe(3);
    const { detail } = await wrong.health();
    say(`health of a leader with an empty registry: ${detail}`);
    expect(detail).toContain("registry");
    await wrong.process.stop();
    const again = await lead();
    await beatsGoOn(again, 6);
    expect(pids()).toEqual(before);
  });
}, 180_000);

test.concurrent("a registry made again stops nobody until it is accepted", async () => {
  await onStage({}, async ({ kafka, fleet, lead, pids, settled, sender, beats }) => {
    const plane = await lead();
    await settled(plane, ["one", "two", "three", "four", "five"]);
    const before = pids();
    await kafka.tools.deleteTopic(REGISTRY);
    await kafka.tools.createTopic(REGISTRY, 1, { "cleanup.policy": "compact" });
    beats.off("five");
    await until(
      "the silent one to be held",
      async () => (await plane.cluster("five"))?.held === "registry-made-again",
      { deadlineMs: CLEANED_MS },
    );
    expect(pids()).toEqual(before);
    const { detail } = await plane.health();
    say(`health of a leader whose registry was made again: ${detail}`);
    expect(detail).toContain("accept-registry");
    // It works on: a registration and a tombstone in the new one.
    await sender.register("six");
    beats.on("six");
    await sender.withdraw("four");
    beats.off("four");
    await until("both to be done", () => oneEach(pids(), ["one", "two", "three", "five", "six"]), {
      deadlineMs: SOON_MS,
    });
    // It outlives a restart.
    plane.process.kill("SIGKILL");
    await plane.process.exited;
    const next = await lead();
    await until(
      "it to be held again",
      async () => (await next.cluster("five"))?.held === "registry-made-again",
      { deadlineMs: CLEANED_MS },
    );
    for (const id of ["one", "two", "three", "five"]) expect(pids()[id]).toEqual(before[id] ?? []);
    expect(await fleet.run(["accept-registry", "--yes"])).toMatchObject({ code: 0 });
    await until("the silent one's end", () => oneEach(pids(), ["one", "two", "three", "six"]), {
      deadlineMs: CLEANED_MS,
    });
    expect(await allIn(next, ["five"], "dead")).toBe(true);
  });
}, 180_000);

/** So much real time passes, and ticks come back all the while: it is not blind. */
async function timeIsObserved(plane: ControlPlane, forMs: number): Promise<void> {
  const sinceMs = performance.now();
  await passed(sinceMs, forMs);
  await until(
    "a young tick",
    async () => {
      const age = await plane.metric("outrider_tick_age_seconds");
      return age > 0 && age < 2;
    },
    { deadlineMs: SOON_MS },
  );
}
