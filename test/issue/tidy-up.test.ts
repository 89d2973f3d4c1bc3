/**
 * Clusters that died long ago could be withdrawn one by one alone; and the ledger's word for it is old where
 * nobody led meanwhile. Beside it: topics that an agent makes because it comes first.
 */
import { expect, test } from "bun:test";
import { HEARTBEAT, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { binaries } from "../bed/binaries.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  endsOf,
  forget,
  LIMIT_MS,
  makeTopic,
  untilRuns,
  untilShown,
  withFleet,
} from "../system/scenario.ts";

// What a client gets that lets Kafka make a topic for it.
const kafka = kafkaOfFile({
  properties: { "num.partitions": "3", "auto.create.topics.enable": "true" },
});

const agent = async (...words: readonly string[]) => {
  const program = (await binaries()).agent;
  const env = { CLIENT_ID: "af-first", KAFKA_BROKERS: kafka.bootstrap, PORT: "0" };
  return Bun.spawn([program, ...words], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
};

test(
  "an agent that comes first makes its topics as the control plane would, and no others",
  async () => {
    const registering = await agent("register", "--wait", "2s", "--on-unconfirmed", "warn");
    expect(await registering.exited).toBe(0);
    expect(await endsOf(kafka, REGISTRY)).toEqual([1]);
    expect(await endsOf(kafka, HEARTBEAT)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(endsOf(kafka, STATUS)).rejects.toThrow();
    await forget(kafka);
    const beating = await agent("heartbeat");
    await until("a beat", async () => (await endsOf(kafka, HEARTBEAT)).some((end) => end > 0), {
      deadlineMs: 20_000,
    });
    expect(await endsOf(kafka, HEARTBEAT)).toHaveLength(6);
    beating.kill();
    await beating.exited;
    await forget(kafka);
  },
  LIMIT_MS,
);

test(
  "a heartbeat topic with other partitions than TOPIC_PARTITIONS is told of, with what changes it",
  async () => {
    await makeTopic(kafka, HEARTBEAT, { "cleanup.policy": "delete" }, 6);
    await withFleet(
      kafka,
      async ({ fleet }) => {
        const plane = await fleet.start();
        await plane.leads();
        expect(plane.process.output()).toMatch(
          /cluster\.heartbeat has 6 partitions, and TOPIC_PARTITIONS is 12.*--partitions 12/u,
        );
      },
      { TOPIC_PARTITIONS: "12" },
    );
  },
  LIMIT_MS,
);

test(
  "withdraw --dead-for lists and withdraws what is long dead, once a leader has listened long enough",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const more = { heartbeat_interval_seconds: 1 };
      const dead = ["af-1", "af-2"];
      const tidy = (...words: readonly string[]) => fleet.run(["withdraw", ...words]);
      const first = await fleet.start();
      await first.leads();
      for (const id of [...dead, "af-live"]) await sender.register(id, more);
      const stopBeating = sender.beating(() => ["af-live"]);
      await untilRuns(fleet, [...dead, "af-live"]);
      for (const id of dead) await untilShown(first, id, { state: "dead" }, 40_000);
      expect(await tidy("--dead-for", "30d", "--yes")).toMatchObject({
        code: 0,
        output: expect.stringContaining("no cluster has been dead for 30d"),
      });
      const asked = await until(
        "both to have been dead for a second",
        async () => {
          const ran = await tidy("--dead-for", "1s");
          if (/af-1 {2}dead since .*\n.*af-2 {2}dead since/u.test(ran.output)) return ran;
          throw new Error(ran.output);
        },
        { deadlineMs: 20_000 },
      );
      expect(asked.output).toContain("give --yes");
      expect(asked.output).not.toContain("af-live");

      // Whoever beats now is not heard.
      await first.process.stop();
      const unheard = await tidy("--dead-for", "1s", "--yes");
      expect(unheard).toMatchObject({ code: 75 });
      expect(unheard.output).toContain("no control plane leads");
      const second = await fleet.start();
      await second.leads();
      const early = await tidy("--dead-for", "1s", "--yes");
      expect(early).toMatchObject({ code: 75 });
      expect(early.output).toMatch(/has led for .* only.*may be silent for 10s/u);
      expect(await endsOf(kafka, REGISTRY)).toEqual([3]);

      const done = await until(
        "the leader to have listened long enough",
        async () => {
          const ran = await tidy("--dead-for", "1s", "--yes");
          if (ran.code !== 0) throw new Error(ran.output);
          return ran;
        },
        { deadlineMs: 40_000, intervalMs: 1_000 },
      );
      expect(done.output).toContain("2 of 2 are withdrawn");
      for (const id of dead) await untilShown(second, id, { withdrawal: "done" });
      await untilRuns(fleet, ["af-live"]);
      expect(await endsOf(kafka, REGISTRY)).toEqual([5]);
      await stopBeating();
    }),
  LIMIT_MS,
);
