/** Two agents with one client id, and one installation after another: compiled, on a real Kafka. */
import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QUARANTINE } from "../../shared/protocol/topic.ts";
import { compileAgent } from "../agent/compiled.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  killHard,
  LIMIT_MS,
  pids,
  recordsOf,
  untilRuns,
  untilShown,
  withFleet,
} from "../system/scenario.ts";

const SOON = { deadlineMs: 30_000 };

const kafka = kafkaOfFile();
const agent = await compileAgent();

const environment = (clientId: string, more: Readonly<Record<string, string>> = {}) => ({
  CLIENT_ID: clientId,
  KAFKA_BROKERS: kafka.bootstrap,
  HEARTBEAT_INTERVAL: "1s",
  PORT: "0",
  LOG_FORMAT: "text",
  ...more,
});
const conflicts = (plane: ControlPlane, count: number) =>
  until(
    `${count} conflicts`,
    async () => (await plane.metric("outrider_identity_conflicts")) === count,
    SOON,
  );

test(
  "two agents that beat in turn are a conflict until one has stopped; no tombstone ends the other's worker",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const env = environment("twin");
      const first = await fleet.start();
      await first.leads();
      await sender.register("twin", { heartbeat_interval_seconds: 1 });
      await untilRuns(fleet, ["twin"]);
      const running = pids(fleet);
      const one = agent.start(["heartbeat"], env);
      await untilShown(first, "twin", { state: "active", conflict: null });
      const two = agent.start(["heartbeat"], env);
      await conflicts(first, 1);
      expect(first.process.output()).toContain("two agents beat in turn under one client id");

      const refused = await agent.run(["deregister", "--wait", "20s"], env);
      expect(refused).toMatchObject({ code: 77 });
      expect(refused.text).toContain("identity-conflict: two agents beat in turn as twin");
      const [quarantined] = await recordsOf(kafka, QUARANTINE);
      expect(quarantined).toMatchObject({ key: "twin", value: null });
      const operator = await fleet.run(["withdraw", "--client-id", "twin", "--yes"]);
      expect(operator).toMatchObject({ code: 77 });
      expect(operator.output).toContain("give --force");

      // A failover forgets neither the conflict nor what is refused.
      await killHard(first);
      const second = await fleet.start();
      await second.leads();
      expect(await second.metric("outrider_identity_conflicts")).toBe(1);
      expect(await agent.run(["deregister", "--wait", "20s"], env)).toMatchObject({ code: 77 });
      expect(pids(fleet)).toEqual(running);

      // The clone goes with a tombstone: --deregister-on-exit writes it right after its last beat.
      two.kill("SIGTERM");
      await two.exited;
      await sender.withdraw("twin");
      await conflicts(second, 0);
      expect(second.process.output()).toContain("only one agent beats");
      await untilShown(second, "twin", { state: "active", conflict: null });
      expect(pids(fleet)).toEqual(running);

      const third = agent.start(["heartbeat"], env);
      await conflicts(second, 1);
      const forced = await agent.run(["deregister", "--force", "--wait", "20s"], env);
      expect(forced).toMatchObject({ code: 0 });
      await untilRuns(fleet, []);
      await conflicts(second, 0);
      await Promise.all([one.stop(), third.stop()]);
    }),
  LIMIT_MS,
);

test(
  "another installation takes over; the tombstone of the one before it withdraws nothing",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      const plane = await fleet.start();
      await plane.leads();
      const directory = () => mkdtempSync(join(tmpdir(), "outrider-installation-"));
      const before = environment("again", { STATE_DIR: directory() });
      const after = environment("again", { STATE_DIR: directory() });
      const registers = ["register", "--wait", "20s"];
      const withdraws = ["deregister", "--wait", "20s"];
      expect(await agent.run(registers, before)).toMatchObject({ code: 0 });
      const running = pids(fleet);
      expect(await agent.run(registers, after)).toMatchObject({ code: 0 });
      const replaced = await agent.run(withdraws, before);
      expect(replaced).toMatchObject({ code: 0 });
      expect(replaced.text).toContain("nothing to withdraw for again");
      expect(pids(fleet)).toEqual(running);
      // By hand on that host, without its STATE_DIR, it counts as it always has.
      expect(await agent.run(withdraws, environment("again"))).toMatchObject({ code: 0 });
      await untilRuns(fleet, []);
      expect(await agent.run(registers, after)).toMatchObject({ code: 0 });
      expect(await agent.run(withdraws, after)).toMatchObject({ code: 0 });
      await untilRuns(fleet, []);
    }),
  LIMIT_MS,
);
