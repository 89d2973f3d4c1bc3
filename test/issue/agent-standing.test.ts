/** What an agent learns of its cluster, and that it does not undo what an operator did. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { REGISTRY } from "../../shared/protocol/topic.ts";
import { compileAgent } from "../agent/compiled.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { freePort } from "../bed/port.ts";
import { asAdmin, endsOf, LIMIT_MS, untilRuns, untilShown, withFleet } from "../system/scenario.ts";

const SOON = { deadlineMs: 40_000 };
const Health = v.object({ registration: v.optional(v.string()) });

const kafka = kafkaOfFile();
const agent = await compileAgent();

const environment = (clientId: string) => ({
  CLIENT_ID: clientId,
  KAFKA_BROKERS: kafka.bootstrap,
  HEARTBEAT_INTERVAL: "1s",
  LOG_FORMAT: "text",
});

async function start(clientId: string, ...args: readonly string[]) {
  const port = await freePort();
  const child = agent.start(args, { ...environment(clientId), PORT: String(port) });
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const registration = async () =>
    v.parse(Health, await (await get("/health/kafka")).json()).registration ?? "";
  const says = (beginning: string) =>
    until(
      `${args.join(" ")} to say ${beginning}`,
      async () => {
        const text = await registration();
        if (!text.startsWith(beginning)) throw new Error(text);
        return true;
      },
      SOON,
    );
  const metric = async () =>
    /^outrider_agent_registered (\d)$/mu.exec(await (await get("/metrics")).text())?.[1];
  return { child, says, metric };
}

test(
  "what an operator withdrew stays withdrawn when the host restarts, and each agent says what it is",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      const plane = await fleet.start();
      await plane.leads();
      const first = await start("edge", "run");
      await first.says("accepted");
      expect(await first.metric()).toBe("1");
      await untilRuns(fleet, ["edge"]);
      const withdrawn = await fleet.run(["withdraw", "--client-id", "edge", "--yes"]);
      expect(withdrawn).toMatchObject({ code: 0 });

      // One that only beats asks for itself.
      const beats = await start("edge", "heartbeat");
      await beats.says("withdrawn: by a tombstone");
      expect(await beats.metric()).toBe("0");
      await first.child.stop();
      const second = await start("edge", "run");
      await second.says("refused: withdrawn-by-operator");
      expect(await second.metric()).toBe("0");
      await untilShown(plane, "edge", { state: "withdrawn", withdrawal: "done" });
      await second.child.stop();

      // A person brings it back.
      const again = await start("edge", "run", "--re-register");
      await again.says("accepted");
      await untilRuns(fleet, ["edge"]);
      // Its twin is the one that only beats: the next agent that asks is told.
      await until(
        "a conflict",
        async () => (await plane.metric("outrider_identity_conflicts")) === 1,
        SOON,
      );
      const third = await start("edge", "heartbeat");
      await third.says("conflict: instances");
      expect(await third.metric()).toBe("0");
      await Promise.all([again.child.stop(), beats.child.stop(), third.child.stop()]);
    }),
  LIMIT_MS,
);

test(
  "a registry that was made again gets the registration again, without a restart",
  () =>
    withFleet(kafka, async () => {
      // No control plane: nobody else makes the topic again.
      const one = await start("made", "run");
      await until(
        "its registration",
        async () => (await endsOf(kafka, REGISTRY).catch(() => [0]))[0] === 1,
        SOON,
      );
      await asAdmin(kafka, (admin) => admin.deleteTopics({ topics: [REGISTRY] }));
      await one.child.waitForOutput(
        /the registry, or Kafka itself, was recreated/u,
        SOON.deadlineMs,
      );
      await until(
        "its registration in the new one",
        async () => (await endsOf(kafka, REGISTRY).catch(() => [0]))[0] === 1,
        SOON,
      );
      await one.child.stop();
    }),
  LIMIT_MS,
);
