/** Whatever happens to Kafka and its topics: whoever led or stood by leads and follows again, without a restart. */
import { expect, test } from "bun:test";
import {
  AUDIT,
  CLUSTER_INFO,
  CONTROL,
  HEARTBEAT,
  QUARANTINE,
  REGISTRY,
  STATUS,
} from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { freePort } from "../bed/port.ts";
import {
  beatsGoOn,
  CLEANED_MS,
  CLEANUP_TIMEOUT_MS,
  oneEach,
  onStage,
  passed,
  SOON_MS,
  type Stage,
} from "../fault/stage.ts";

/** A topic that is missing is made after 8 s; a new term may have to follow. */
const REGAINED_MS = 45_000;

/** Deleted together where nothing but writing them could notice. */
const DELETIONS: readonly (readonly string[])[] = [
  [STATUS],
  [CONTROL],
  [HEARTBEAT],
  [AUDIT, QUARANTINE, CLUSTER_INFO],
  [REGISTRY],
];

const planeThatLeads = (planes: readonly ControlPlane[]): Promise<ControlPlane> =>
  until(
    "one to lead, the other to stand by, both ready",
    async () => {
      const seen = await Promise.all(planes.map((plane) => plane.health()));
      const text = JSON.stringify(seen);
      if (seen.some(({ status }) => status !== "healthy")) throw new Error(text);
      const leaders = planes.filter((_, index) => seen[index]?.role === "leader");
      if (leaders.length !== 1 || leaders[0] === undefined) throw new Error(text);
      return leaders[0];
    },
    { deadlineMs: REGAINED_MS },
  );

/** A new cluster gets its worker, and every control plane shows it. */
async function works(
  { sender, beats, pids }: Stage,
  planes: readonly ControlPlane[],
  clientIds: readonly string[],
  isRegistryNew = false,
): Promise<void> {
  const clientId = clientIds.at(-1) ?? "";
  // A registry that is being deleted may still take it; that one holds all the others.
  const isKept = (offset: number) => !isRegistryNew || offset < clientIds.length - 1;
  await until("it to be registered", () => sender.register(clientId).then(isKept), {
    deadlineMs: REGAINED_MS,
  });
  beats.on(clientId);
  await until("its worker", () => oneEach(pids(), clientIds), { deadlineMs: REGAINED_MS });
  await planeThatLeads(planes);
  for (const plane of planes) {
    await until("it to be shown", async () => (await plane.cluster(clientId)) !== undefined, {
      deadlineMs: REGAINED_MS,
    });
  }
}

/** Whoever leads holds so many workers that it does not know, and says so. */
const holdsOrphans = (
  planes: readonly ControlPlane[],
  wanted: { readonly count: number; readonly says: string },
): Promise<boolean> =>
  until(
    `whoever leads to hold ${wanted.count} orphans`,
    async () => {
      const plane = await planeThatLeads(planes);
      const count = await plane.metric("outrider_orphans_held");
      const { detail } = await plane.health();
      if (count === wanted.count && detail.includes(wanted.says)) return true;
      throw new Error(`${count}: ${detail}`);
    },
    { deadlineMs: REGAINED_MS },
  );

test.concurrent("each topic of ours deleted in turn, under a leader and a standby", async () => {
  await onStage({}, async (stage) => {
    const { kafka, lead, start, pids, settled } = stage;
    const clientIds = ["one", "two", "three"];
    const planes = [await lead(), await start()];
    await settled(await planeThatLeads(planes), clientIds);
    const before = pids();
    for (const [round, topics] of DELETIONS.entries()) {
      for (const topic of topics) await kafka.tools.deleteTopic(topic);
      clientIds.push(`new-${round}`);
      await works(stage, planes, clientIds, topics.includes(REGISTRY));
      for (const id of ["one", "two", "three"]) expect(pids()[id]).toEqual(before[id] ?? []);
    }
    const first = await planeThatLeads(planes);
    const second = planes.find((plane) => plane !== first);
    first.process.kill("SIGKILL");
    await second?.leads(REGAINED_MS);
    if (second !== undefined) await beatsGoOn(second, 6);
    for (const id of ["one", "two", "three"]) expect(pids()[id]).toEqual(before[id] ?? []);
    oneEach(pids(), clientIds);
  });
}, 300_000);

test.concurrent("Kafka rebuilt empty at the same address: it leads again, and stops no fleet", async () => {
  await onStage({}, async (stage) => {
    const { kafka, fleet, lead, start, pids, settled, beats } = stage;
    const old = ["one", "two", "three", "four", "five"];
    const planes = [await lead(), await start()];
    await settled(await planeThatLeads(planes), old);
    const before = pids();
    beats.allOff();
    await kafka.rebuild();
    // It may come back before the one who led has missed it: then he still does, for a moment.
    for (const { process: each } of planes)
      await each.waitForOutput(/another Kafka cluster answers: rebuilt/u, REGAINED_MS);
    await works(stage, planes, [...old.slice(1), "one"], true);
    const sinceMs = performance.now();
    await passed(sinceMs, 2 * CLEANUP_TIMEOUT_MS);
    expect(pids()).toEqual(before);
    await holdsOrphans(planes, { count: 4, says: "4 of 5 workers of this fleet" });
    const accepted = await fleet.run(["accept-registry", "--yes"]);
    expect(accepted.output).toContain("accepted: 4 workers");
    expect(accepted.code).toBe(0);
    await until("the orphans to be gone", () => oneEach(pids(), ["one"]), {
      deadlineMs: CLEANED_MS,
    });
    expect(pids()["one"]).toEqual(before["one"] ?? []);
    await holdsOrphans(planes, { count: 0, says: "" });
  });
}, 240_000);

test.concurrent("a ledger that loses entries: not ready, says why, and leads when it is mended", async () => {
  const prepare: NonNullable<Parameters<typeof onStage>[0]["prepare"]> = (kafka) =>
    kafka.tools.createTopic(STATUS, 1, { "cleanup.policy": "delete" });
  await onStage({ prepare }, async ({ kafka, start }) => {
    const plane = await start();
    await until(
      "it to be unready",
      async () => {
        const { status, detail } = await plane.health();
        if (status !== "unhealthy" || !detail.includes(STATUS)) throw new Error(detail);
        return true;
      },
      { deadlineMs: REGAINED_MS },
    );
    expect((await plane.health()).detail).toContain("kafka-configs.sh");
    expect(await plane.metric("outrider_ready")).toBe(0);
    await kafka.tools.alterConfig("topic", STATUS, { "cleanup.policy": "compact" });
    await planeThatLeads([plane]);
  });
}, 150_000);

test.concurrent("Kafka not there yet: ready for a minute, then not; that nobody leads is shown", async () => {
  await onStage({}, async ({ start }) => {
    const plane = await start({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` });
    const health = () => until("it to answer", plane.health, { deadlineMs: SOON_MS });
    expect(await health()).toMatchObject({ status: "healthy", role: "starting" });
    expect((await fetch(`${plane.url}/api/v1/clusters`)).status).toBe(503);
    await until(
      "it to see no leader",
      async () => (await plane.metric("outrider_nobody_leads")) === 1,
      {
        deadlineMs: 40_000,
      },
    );
    await until("it to be unready", async () => (await health()).status === "unhealthy", {
      deadlineMs: 60_000,
    });
    expect((await health()).detail).toContain("waiting for Kafka");
  });
}, 150_000);
