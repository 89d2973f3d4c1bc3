/** The default worker through an outage of Kafka that is longer than kafkajs's patience (nine seconds). */
import { expect, test } from "bun:test";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { say } from "./say.ts";
import { onStage, passed, SOON_MS } from "./stage.ts";

const OUTAGE_MS = 14_000;
/** The longest wait between two tries, and joining the group. */
const AGAIN_MS = 30_000 + SOON_MS;

const info = (id: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ key: `${id}/pod/${index}`, value: "{}" }));

test("an outage of Kafka ends no worker; one that was killed in it is started again, and counted", async () => {
  await onStage({ env: { WORKER_COMMAND: "" } }, async (stage) => {
    const { kafka, lead, pids, settled } = stage;
    const plane = await lead();
    await settled(plane, ["one", "two"]);
    const lagOf = async (id: string) => (await plane.cluster(id))?.lag?.records;
    await kafka.tools.produce(CLUSTER_INFO, info("one", 5));
    await until("everything to be read", async () => (await lagOf("one")) === 0, {
      deadlineMs: 2 * SOON_MS,
    });
    const before = pids();
    await kafka.broker(0).kill("SIGKILL");
    const sinceMs = performance.now();
    await passed(sinceMs, OUTAGE_MS);
    expect(pids()).toEqual(before);
    process.kill(before["two"]?.[0] ?? 0, "SIGKILL");
    await kafka.broker(0).start();
    const backMs = performance.now();
    await kafka.tools.produce(CLUSTER_INFO, info("one", 7));
    await until("the rest to be read", async () => (await lagOf("one")) === 0, {
      deadlineMs: AGAIN_MS,
    });
    say(`read on ${Math.round(performance.now() - backMs)} ms after Kafka served`);
    expect(pids()["one"]).toEqual(before["one"]);
    await until(
      "the other one to run again",
      async () => {
        const worker = (await plane.cluster("two"))?.worker;
        return worker?.state === "running" && worker.restarts === 1;
      },
      { deadlineMs: AGAIN_MS },
    );
    expect(pids()["two"]).not.toEqual(before["two"]);
    expect(await plane.metric("outrider_worker_exits_total")).toBe(1);
  });
}, 180_000);
