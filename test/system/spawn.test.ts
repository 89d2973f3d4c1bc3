import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import { openFleet } from "../bed/control-plane.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { openSender } from "../bed/sender.ts";

let kafka: KafkaBed;
beforeAll(async () => {
  kafka = await startKafka();
}, 60_000);
afterAll(async () => {
  await kafka.stop();
});

describe("sidecar control-plane", () => {
  test("T2: spawns a worker for a cluster that registers while it runs", async () => {
    const fleet = await openFleet(kafka.bootstrap);
    const sender = openSender(kafka.bootstrap);
    try {
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-10");
      await until("the worker", () => fleet.workers().length === 1, { deadlineMs: 5_000 });
      expect(fleet.workers().map(({ clientId }) => clientId)).toEqual(["af-10"]);
      await sender.withdraw("af-10");
      await until("its end", () => fleet.workers().length === 0, { deadlineMs: 10_000 });
    } finally {
      await sender.close();
      await fleet.close();
    }
  }, 60_000);
});
