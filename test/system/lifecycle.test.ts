import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { HEARTBEAT, REGISTRY } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  beat,
  clientIds,
  killHard,
  LIMIT_MS,
  makeTopic,
  pids,
  recordsOf,
  registration,
  tombstone,
  twoRounds,
  untilObserved,
  untilRuns,
  untilShown,
  withFleet,
} from "./scenario.ts";

const HOUR_MS = 3_600_000;
/** Long enough to be seen stale before it is dead. */
const QUICK = { CLEANUP_TIMEOUT: "6s" };

const kafka = kafkaOfFile();

test(
  "T1: a cluster registered before the control plane first starts gets its worker",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
      await kafka.tools.produce(REGISTRY, [registration("af-1")]);
      const plane = await fleet.start();
      await untilRuns(fleet, ["af-1"]);
      await untilShown(plane, "af-1", { state: "registered", cluster_name: "name of af-1" });
      expect(fleet.workers()[0]?.environment).toMatchObject({
        CLIENT_ID: "af-1",
        KAFKA_GROUP: "kg-builder-af-1",
        KAFKA_BROKERS: kafka.bootstrap,
      });
    }),
  LIMIT_MS,
);

test(
  "T2: registers while it runs, beats, and leaves by a tombstone of the Java tool",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const plan = await fleet.run(["control-plane", "--plan"]);
      expect(plan).toMatchObject({ code: 0 });
      expect(plan.output).toContain("0 steps for 0 clusters");
      const plane = await fleet.start();
      await plane.leads();
      await kafka.tools.produce(REGISTRY, [registration("af-2")]);
      await untilRuns(fleet, ["af-2"]);
      await untilObserved(plane, "af-2");
      await kafka.tools.produce(HEARTBEAT, [beat("af-2")]);
      await untilShown(plane, "af-2", { state: "active" });
      await kafka.tools.produce(REGISTRY, [tombstone("af-2")]);
      await untilRuns(fleet, []);
      await untilShown(plane, "af-2", { state: "withdrawn", withdrawal: "done" });
      // The original's watcher still beats while its pre-delete hook runs.
      await sender.beat("af-2");
      await until(
        "the late beat to be counted",
        async () => (await plane.metric("outrider_unregistered_beats")) === 1,
        { deadlineMs: 10_000 },
      );
      await twoRounds(plane);
      expect(clientIds(fleet)).toEqual([]);
      expect((await plane.cluster("af-2"))?.state).toBe("withdrawn");
    }),
  LIMIT_MS,
);

test(
  "T3: a restart with a healthy fleet forgets nobody and respawns nobody",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const ids = ["af-31", "af-32", "af-33"];
      const first = await fleet.start();
      await first.leads();
      await kafka.tools.produce(
        REGISTRY,
        ids.map((id) => registration(id)),
      );
      const stopBeating = sender.beating(() => ids);
      await untilRuns(fleet, ids);
      for (const id of ids) await untilShown(first, id, { state: "active" });
      const before = pids(fleet);
      await killHard(first);
      const second = await fleet.start();
      await second.leads();
      // A beat of the new term, and not what the ledger said.
      await until(
        "beats of all in the new term",
        async () =>
          (await second.clusters()).filter(({ last_heartbeat }) => last_heartbeat !== null)
            .length === ids.length,
        { deadlineMs: 20_000 },
      );
      await twoRounds(second);
      await stopBeating();
      expect(pids(fleet)).toEqual(before);
      expect((await second.clusters()).map(({ client_id, state }) => [client_id, state])).toEqual(
        ids.map((id) => [id, "active"]),
      );
      expect(await second.metric("kg_control_plane_spawn_operations_total")).toBe(0);
    }),
  LIMIT_MS,
);

test(
  "T4: helm upgrade registers again: state and worker are kept, and it can still go stale",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-4");
        await untilObserved(plane, "af-4");
        await sender.beat("af-4");
        await untilShown(plane, "af-4", { state: "active" });
        await untilRuns(fleet, ["af-4"]);
        const before = pids(fleet);
        await kafka.tools.produce(REGISTRY, [
          registration("af-4", { version: "1.1.0", cluster_name: "upgraded" }),
        ]);
        await untilShown(plane, "af-4", { cluster_name: "upgraded" });
        await sender.beat("af-4");
        await untilShown(plane, "af-4", { state: "active" });
        expect(pids(fleet)).toEqual(before);
        await untilShown(plane, "af-4", { state: "stale" });
        expect(pids(fleet)).toEqual(before);
        await untilShown(plane, "af-4", { state: "dead" });
        await untilRuns(fleet, []);
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "T5: the agent's clock is 1 h behind: its own beats do not kill its worker",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-5");
        await sender.register("af-5-silent");
        await untilRuns(fleet, ["af-5", "af-5-silent"]);
        const before = fleet.workers().find(({ clientId }) => clientId === "af-5")?.pid;
        const java = kafka.tools.openProducer(HEARTBEAT);
        await until(
          "the silent one to be dead while the other beats",
          async () => {
            await java.send([beat("af-5", -HOUR_MS)]);
            return (await plane.cluster("af-5-silent"))?.state === "dead";
          },
          { deadlineMs: 30_000, intervalMs: 500 },
        );
        await java.close();
        await untilRuns(fleet, ["af-5"]);
        expect(pids(fleet)).toEqual([before ?? 0]);
        const seen = await plane.cluster("af-5");
        expect(seen?.state).toBe("active");
        expect(Math.round((seen?.last_heartbeat?.skew_seconds ?? 0) / 60)).toBe(60);
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "T6: a heartbeat after clean-up brings the worker back, and so does a new registration",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-61");
        await sender.register("af-62");
        await untilRuns(fleet, ["af-61", "af-62"]);
        await untilObserved(plane, "af-61");
        await sender.beat("af-61");
        await untilRuns(fleet, []);
        await untilShown(plane, "af-61", { state: "dead", reason: "silent" });
        await untilShown(plane, "af-62", { state: "dead", reason: "never-heard" });
        await kafka.tools.produce(HEARTBEAT, [beat("af-61")]);
        await untilRuns(fleet, ["af-61"]);
        await kafka.tools.produce(REGISTRY, [registration("af-62")]);
        const stopBeating = sender.beating(() => ["af-61"]);
        await untilRuns(fleet, ["af-61", "af-62"]);
        await untilShown(plane, "af-61", { state: "active" });
        await untilShown(plane, "af-62", { state: "registered" });
        await stopBeating();
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "T7: the agent's clock is 1 day ahead: it still goes stale and dead",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-7");
        await untilObserved(plane, "af-7");
        await kafka.tools.produce(HEARTBEAT, [beat("af-7", 24 * HOUR_MS)]);
        await untilShown(plane, "af-7", { state: "active" });
        expect((await plane.cluster("af-7"))?.last_heartbeat?.skew_seconds).toBeLessThan(-86_000);
        await untilShown(plane, "af-7", { state: "stale" });
        await untilShown(plane, "af-7", { state: "dead" });
        await untilRuns(fleet, []);
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "T8: a registration that names a foreign object, then a tombstone: the object lives",
  () =>
    withFleet(kafka, async ({ fleet }) => {
      const name = "kg-neo4j-production";
      const foreign = Bun.spawn(["/bin/sleep", "1000"], { argv0: name });
      try {
        const workers = join(fleet.stateDir, "workers");
        await mkdir(workers, { recursive: true });
        const text = JSON.stringify({ name, pid: foreign.pid });
        const files = [name, "kg-graph-builder-af-82"].map((each) => join(workers, `${each}.json`));
        for (const file of files) await Bun.write(file, text);
        const plane = await fleet.start();
        await plane.leads();
        const named = { ["GraphBuilderID"]: name, container: name, worker: name };
        await kafka.tools.produce(REGISTRY, [
          registration("af-81", named),
          registration("af-82", { ...named, pid: foreign.pid }),
        ]);
        await untilRuns(fleet, ["af-81"]);
        await until(
          "the held name to be shown as blocked",
          async () => (await plane.cluster("af-82"))?.worker?.state === "blocked",
          { deadlineMs: 10_000 },
        );
        await kafka.tools.produce(REGISTRY, [tombstone("af-81"), tombstone("af-82")]);
        await untilRuns(fleet, []);
        for (const id of ["af-81", "af-82"]) await untilShown(plane, id, { withdrawal: "done" });
        await twoRounds(plane);
        expect(foreign.exitCode).toBeNull();
        expect(foreign.signalCode).toBeNull();
        for (const file of files) expect(await Bun.file(file).text()).toBe(text);
        const audit = (await recordsOf(kafka, "cluster.audit")).map(({ value }) => value);
        expect(audit.filter((value) => value?.includes("neo4j"))).toEqual([]);
      } finally {
        foreign.kill("SIGKILL");
      }
    }),
  LIMIT_MS,
);
