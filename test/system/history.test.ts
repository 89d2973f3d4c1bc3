import { expect, test } from "bun:test";
import { HEARTBEAT, QUARANTINE, REGISTRY } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { ensureKcat, produceByKcat } from "./kcat.ts";
import {
  clientIds,
  endsOf,
  killHard,
  LIMIT_MS,
  makeTopic,
  pids,
  recordsOf,
  registration,
  tombstone,
  twoRounds,
  untilRuns,
  untilShown,
  withFleet,
} from "./scenario.ts";

const noKcat = await ensureKcat().then(
  () => undefined,
  (error: unknown) => {
    if (!(error instanceof BedUnavailable)) throw error;
    return error.message;
  },
);
if (noKcat !== undefined) {
  process.stderr.write(`SKIPPED the registry with 3 partitions: ${noKcat}\n`);
}

const kafka = kafkaOfFile();

const COMPACT = { "cleanup.policy": "compact" };

for (const timestamps of ["LogAppendTime", "CreateTime"] as const) {
  test(
    `a first start on topics with history, with ${timestamps}`,
    () =>
      withFleet(kafka, async ({ fleet, sender }) => {
        const config = { "message.timestamp.type": timestamps };
        await makeTopic(kafka, REGISTRY, { ...COMPACT, ...config });
        await makeTopic(kafka, HEARTBEAT, config, 2);
        await kafka.tools.produce(REGISTRY, [
          registration("af-lives"),
          registration("af-left"),
          { key: "af-lives", value: "not json" },
          registration("af-returned"),
          tombstone("af-left"),
          tombstone("af-returned"),
          tombstone("af-never-seen"),
          registration("af-returned", { cluster_name: "back" }),
          { key: "AF_garbage", value: "{}" },
          registration("af-lives", { cluster_name: "again" }),
        ]);
        for (const id of ["af-lives", "af-left", "af-unknown"]) await sender.beat(id);
        await sender.send(HEARTBEAT, "af-lives", "not json");
        const plan = await fleet.run(["control-plane", "--plan"]);
        expect(plan).toMatchObject({ code: 0 });
        expect(plan.output).toContain("start kg-graph-builder-af-lives\n");
        const plane = await fleet.start();
        await untilRuns(fleet, ["af-lives", "af-returned"]);
        await untilShown(plane, "af-lives", { state: "registered", cluster_name: "again" });
        await untilShown(plane, "af-returned", { state: "registered", cluster_name: "back" });
        await untilShown(plane, "af-left", { state: "withdrawn", withdrawal: "done" });
        await untilShown(plane, "af-never-seen", { state: "withdrawn", withdrawal: "done" });
        await until("both in quarantine", async () => (await endsOf(kafka, QUARANTINE))[0] === 2, {
          deadlineMs: 10_000,
        });
        await twoRounds(plane);
        expect(clientIds(fleet)).toEqual(["af-lives", "af-returned"]);
        expect(await plane.cluster("af-unknown")).toBeUndefined();
        await sender.beat("af-lives");
        await untilShown(plane, "af-lives", { state: "active" });
      }),
    LIMIT_MS,
  );
}

test.skipIf(noKcat !== undefined)(
  "a registry with 3 partitions: registered by kcat, withdrawn by the Java tool, and so after a restart",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      await makeTopic(kafka, REGISTRY, COMPACT, 3);
      const first = await fleet.start();
      await first.leads();
      const ids = ["af-1", "af-2", "af-3", "af-4"];
      await produceByKcat(
        kafka.bootstrap,
        REGISTRY,
        ids.map((id) => registration(id)),
      );
      await untilRuns(fleet, ids);
      await kafka.tools.produce(REGISTRY, ids.map(tombstone));
      await untilRuns(fleet, []);
      for (const id of ids) await untilShown(first, id, { withdrawal: "done" });
      expect(await liesApart(ids)).not.toEqual([]);
      await killHard(first);
      const second = await fleet.start();
      await second.leads();
      await twoRounds(second);
      expect(clientIds(fleet)).toEqual([]);
      for (const id of ids) await untilShown(second, id, { state: "withdrawn" });
    }),
  LIMIT_MS,
);

/** Those whose registration and tombstone lie in two partitions: else such a test shows nothing. */
async function liesApart(ids: readonly string[]): Promise<readonly string[]> {
  const records = await recordsOf(kafka, REGISTRY);
  const placeOf = (id: string, isTombstone: boolean) =>
    records.find(({ key, value }) => key === id && (value === null) === isTombstone)?.partition;
  return ids.filter((id) => placeOf(id, false) !== placeOf(id, true));
}

test.skipIf(noKcat !== undefined)(
  "3 partitions at the first start: the broker's time decides; without it the registration wins",
  async () => {
    for (const timestamps of ["LogAppendTime", "CreateTime"] as const) {
      await withFleet(kafka, async ({ fleet }) => {
        const config = { ...COMPACT, "message.timestamp.type": timestamps };
        await makeTopic(kafka, REGISTRY, config, 3);
        const ids = ["af-1", "af-2", "af-3", "af-4"];
        await produceByKcat(
          kafka.bootstrap,
          REGISTRY,
          ids.map((id) => registration(id)),
        );
        await kafka.tools.produce(REGISTRY, ids.map(tombstone));
        const apart = await liesApart(ids);
        expect(apart).not.toEqual([]);
        const plane = await fleet.start();
        await plane.leads();
        await untilRuns(fleet, timestamps === "CreateTime" ? apart : []);
        for (const id of ids) {
          const wins = timestamps === "CreateTime" && apart.includes(id);
          const reason = wins ? "registration-beats-tombstone" : "tombstone";
          await untilShown(plane, id, { reason });
        }
      });
    }
  },
  LIMIT_MS,
);

test(
  "garbage over a live registration, compacted, restart: the cluster stays, nothing stops",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const first = await fleet.start();
      await first.leads();
      await kafka.tools.produce(REGISTRY, [registration("af-live")]);
      const stopBeating = sender.beating(() => ["af-live"]);
      await untilRuns(fleet, ["af-live"]);
      const before = pids(fleet);
      await sender.send(REGISTRY, "af-live", "not json");
      await kafka.tools.alterConfig("topic", REGISTRY, {
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "100",
      });
      await until(
        "compaction to take the registration away",
        async () => {
          await sender.send(REGISTRY, "af-filler", "not json either");
          const kept = await kafka.tools.consume(REGISTRY, { partition: 0, count: 2 });
          return kept[0]?.offset !== 0;
        },
        { deadlineMs: 40_000, intervalMs: 500 },
      );
      await killHard(first);
      const second = await fleet.start();
      await second.leads();
      await untilShown(second, "af-live", { state: "active", cluster_name: "name of af-live" });
      await until(
        "a beat in the new term",
        async () => (await second.cluster("af-live"))?.last_heartbeat !== null,
        { deadlineMs: 10_000 },
      );
      await twoRounds(second);
      expect(pids(fleet)).toEqual([...before]);
      await stopBeating();
    }),
  LIMIT_MS,
);

test(
  "a restart between a registration and its first beat",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const first = await fleet.start();
      await first.leads();
      await sender.register("af-new");
      await untilRuns(fleet, ["af-new"]);
      const before = pids(fleet);
      await killHard(first);
      // Nobody reads this one: the next leader begins at the end.
      await sender.register("af-newer");
      const second = await fleet.start();
      await second.leads();
      await untilRuns(fleet, ["af-new", "af-newer"]);
      expect(pids(fleet)).toContain(before[0] ?? 0);
      await untilShown(second, "af-new", { state: "registered" });
      await sender.beat("af-new");
      await untilShown(second, "af-new", { state: "active" });
    }),
  LIMIT_MS,
);

test(
  "a registration followed at once by its tombstone leaves neither worker nor group",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      const ids = ["af-a", "af-b", "af-c"];
      // In one batch, and apart.
      await kafka.tools.produce(
        REGISTRY,
        ids.flatMap((id) => [registration(id), tombstone(id)]),
      );
      await sender.register("af-d");
      await sender.withdraw("af-d");
      for (const id of [...ids, "af-d"]) {
        await untilShown(plane, id, { state: "withdrawn", withdrawal: "done" });
      }
      await untilRuns(fleet, []);
      await twoRounds(plane);
      expect(clientIds(fleet)).toEqual([]);
      const groups = await kafka.tools.listGroups();
      expect(groups.filter((group) => group.startsWith("kg-builder-af-"))).toEqual([]);
    }),
  LIMIT_MS,
);
