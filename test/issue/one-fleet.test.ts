/** One fleet for one set of topics: who is refused, how a fleet is renamed, and whose the workers are meanwhile. */
import { expect, test } from "bun:test";
import kafkajs from "kafkajs";
import { CONTROL } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { beatsGoOn, oneEach, onStage, SOON_MS } from "../fault/stage.ts";
import { endsOf, forget } from "../system/scenario.ts";

const REGAINED_MS = 45_000;

const becomes = (plane: ControlPlane, role: string, status: string, detail: string) =>
  until(
    `it to be a ${status} ${role}: ${detail}`,
    async () => {
      const seen = await plane.health();
      if (seen.role !== role || seen.status !== status || !seen.detail.includes(detail)) {
        throw new Error(JSON.stringify(seen));
      }
      return true;
    },
    { deadlineMs: REGAINED_MS },
  );

async function refused(plane: ControlPlane, own: string, other: string): Promise<void> {
  expect((await plane.process.exited).code).toBe(64);
  const output = plane.process.output();
  expect(output).toContain(`these topics belong to fleet "${other}"`);
  expect(output).toContain(`fleet "${own}"`);
  expect(output).toContain(`FLEET_ALIASES=${other}`);
}

test.concurrent("another FLEET on the same topics ends with 64; the lead stays where it is", async () => {
  await onStage({}, async ({ kafka, fleet, lead, start, pids, settled, sender, beats }) => {
    const plane = await lead();
    await settled(plane, ["one", "two"]);
    const { epoch } = await plane.health();
    await refused(await start({ FLEET: "other" }), "other", fleet.fleet);
    await refused(await start({ FLEET: "" }), kafka.clusterId, fleet.fleet);
    const plan = await fleet.run(["control-plane", "--plan"], { FLEET: "other" });
    expect(plan.code).toBe(64);
    expect(plan.output).toContain("would not lead");
    expect((await plane.health()).epoch).toBe(epoch);
    expect(await endsOf(kafka, CONTROL)).toEqual([1]);
    await sender.register("three");
    beats.on("three");
    await until("its worker", () => oneEach(pids(), ["one", "two", "three"]), {
      deadlineMs: SOON_MS,
    });
  });
}, 120_000);

test.concurrent("a fleet is renamed: its workers are adopted, who stood by under the old name steps back", async () => {
  await onStage({}, async ({ fleet, lead, start, pids, settled, sender, beats }) => {
    const first = await lead();
    await settled(first, ["one", "two"]);
    const before = pids();
    const second = await start();
    const renamed = await start({ FLEET: "new-name", FLEET_ALIASES: fleet.fleet });
    for (const plane of [second, renamed]) await becomes(plane, "standby", "healthy", "following");
    // Out of the group for a session, so that the renamed one is the only candidate left.
    second.process.kill("SIGSTOP");
    first.process.kill("SIGTERM");
    await renamed.leads(REGAINED_MS);
    second.process.kill("SIGCONT");
    await becomes(second, "standby", "unhealthy", `FLEET_ALIASES=new-name`);
    await becomes(renamed, "leader", "healthy", "2 workers under alias");
    expect(await renamed.metric("outrider_alias_workers")).toBe(2);
    expect(pids()).toEqual(before);
    // What was refused once is refused at a start, too; one that left the fleet's name behind is not ours.
    await refused(await start(), fleet.fleet, "new-name");
    await sender.withdraw("one");
    beats.off("one");
    await until("the adopted worker's end", () => oneEach(pids(), ["two"]), {
      deadlineMs: SOON_MS,
    });
    await becomes(renamed, "leader", "healthy", "1 workers under alias");
    await beatsGoOn(renamed, 4);
  });
}, 180_000);

test.concurrent("workers of another fleet block: counted, logged once, and adopted under an alias", async () => {
  await onStage({}, async ({ kafka, fleet, lead, pids, settled, beats, sender }) => {
    const first = await lead();
    await settled(first, ["one", "two"]);
    const before = pids();
    await first.process.stop();
    beats.allOff();
    await forget(kafka);
    const blind = await lead({ FLEET: "new-name" });
    await sender.register("one");
    await until(
      "it to be blocked",
      async () => (await blind.metric("outrider_blocked_clusters")) === 1,
      {
        deadlineMs: SOON_MS,
      },
    );
    expect((await blind.cluster("one"))?.error).toContain(`set FLEET_ALIASES=${fleet.fleet}`);
    const rounds = await blind.metric("outrider_round_seconds_count");
    await until(
      "rounds",
      async () => (await blind.metric("outrider_round_seconds_count")) > rounds + 4,
      {
        deadlineMs: SOON_MS,
      },
    );
    const lines = blind.process.output().split("\n");
    expect(lines.filter((line) => line.includes("a cluster is blocked"))).toHaveLength(1);
    await blind.process.stop();
    const seeing = await lead({ FLEET: "new-name", FLEET_ALIASES: fleet.fleet });
    await until(
      "it to be adopted",
      async () => (await seeing.cluster("one"))?.worker?.state === "running",
      {
        deadlineMs: SOON_MS,
      },
    );
    expect(await seeing.metric("outrider_blocked_clusters")).toBe(0);
    // The other one is nobody's orphan: it may be adopted yet.
    expect(await seeing.metric("outrider_orphan_workers")).toBe(0);
    expect(await seeing.metric("outrider_alias_workers")).toBe(2);
    expect(pids()).toEqual(before);
  });
}, 150_000);

test.concurrent("while control planes of an older version are there, ours stands by and is ready", async () => {
  await onStage({}, async ({ kafka, fleet, start, lead, pids, settled }) => {
    const brokers = kafka.bootstrap.split(",");
    const older = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).consumer({
      groupId: `outrider-control-plane-${fleet.fleet}`,
      sessionTimeout: 6_000,
    });
    const before = await lead();
    await settled(before, ["one"]);
    const worker = pids();
    // A rollback: the older one comes while ours leads.
    await older.connect();
    await older.subscribe({ topics: [CONTROL] });
    await older.run({ eachMessage: () => Promise.resolve() });
    await becomes(before, "standby", "healthy", "an older version");
    const second = await start();
    await becomes(second, "standby", "healthy", "an older version");
    // So does one whose upgrade renames the fleet: the older one is in the group of the old name.
    const renamed = await start({ FLEET: "new-name", FLEET_ALIASES: fleet.fleet });
    await becomes(renamed, "standby", "healthy", "an older version");
    await renamed.process.stop();
    // An upgrade: the older one goes.
    await older.disconnect();
    await until(
      "one of both to lead",
      async () => {
        const seen = await Promise.all([before, second].map((plane) => plane.health()));
        return seen.some(({ role }) => role === "leader");
      },
      { deadlineMs: REGAINED_MS },
    );
    expect(pids()).toEqual(worker);
  });
}, 150_000);
