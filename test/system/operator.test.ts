import { expect, test } from "bun:test";
import { REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  auditOf,
  endsOf,
  LIMIT_MS,
  observed,
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

const kafka = kafkaOfFile();

test(
  "sidecar withdraw --yes: worker and group are gone when it ends; without it nothing happens",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-w");
        await untilRuns(fleet, ["af-w"]);
        const group = "kg-builder-af-w";
        await until("its group", async () => (await kafka.tools.listGroups()).includes(group), {
          deadlineMs: 20_000,
        });
        const asked = await fleet.run(["withdraw", "--client-id", "af-w"]);
        expect(asked.output).toContain("give --yes");
        const before = await endsOf(kafka, REGISTRY);
        expect(before).toEqual([1]);
        const done = await fleet.run(["withdraw", "--client-id", "af-w", "--yes"]);
        expect(done).toMatchObject({ code: 0 });
        expect(fleet.workers()).toEqual([]);
        expect(await kafka.tools.listGroups()).not.toContain(group);
        await untilShown(plane, "af-w", { state: "withdrawn", withdrawal: "done" });
        const [, written] = await recordsOf(kafka, REGISTRY);
        expect(written).toMatchObject({ key: "af-w", value: null });
      },
      { WORKER_COMMAND: "" },
    ),
  LIMIT_MS,
);

test(
  "the brake holds while many are silent, until release-brake --yes",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const ids = ["af-1", "af-2", "af-3", "af-4"];
        const plane = await fleet.start();
        await plane.leads();
        await Promise.all(ids.map((id) => sender.register(id)));
        await untilRuns(fleet, ids);
        const before = pids(fleet);
        await untilObserved(plane, "af-1");
        await Promise.all(ids.map((id) => sender.beat(id)));
        for (const id of ids) await untilShown(plane, id, { state: "active" });
        for (const id of ids) await untilShown(plane, id, { state: "stale", held: "brake" });
        await observed(kafka, 3_000);
        expect(pids(fleet)).toEqual([...before]);
        expect(await plane.metric("outrider_brake_holds")).toBe(1);
        // One that beats again is not let go with the others.
        const stopBeating = sender.beating(() => ["af-4"]);
        await untilShown(plane, "af-4", { state: "active", held: null });
        const released = await fleet.run(["release-brake", "--yes"]);
        expect(released).toMatchObject({ code: 0 });
        expect(released.output).toContain("3 of 3 released");
        await untilRuns(fleet, ["af-4"]);
        expect(pids(fleet)).toEqual(before.slice(3));
        await stopBeating();
      },
      { CLEANUP_TIMEOUT: "5s" },
    ),
  LIMIT_MS,
);

test(
  "control-plane --plan says what a leader would do, joins no group and writes nothing",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const first = await fleet.start();
      await first.leads();
      await sender.register("af-runs");
      await sender.register("af-leaves");
      await untilRuns(fleet, ["af-leaves", "af-runs"]);
      await first.process.stop();
      const converged = await fleet.run(["control-plane", "--plan"]);
      expect(converged).toMatchObject({ code: 0 });
      expect(converged.output).toContain("0 steps for 2 clusters");
      await kafka.tools.produce(REGISTRY, [
        registration("af-new"),
        tombstone("af-leaves"),
        { key: "af-runs", value: "not json" },
      ]);
      const state = async () => [
        await endsOf(kafka, REGISTRY),
        await endsOf(kafka, STATUS),
        await endsOf(kafka, "cluster.audit"),
        await endsOf(kafka, "cluster.quarantine"),
        await endsOf(kafka, "cluster.control"),
        (await kafka.tools.listGroups()).toSorted(),
        pids(fleet),
      ];
      const before = await state();
      const plan = await fleet.run(["control-plane", "--plan"]);
      expect(plan).toMatchObject({ code: 0 });
      expect(plan.output).toContain("start kg-graph-builder-af-new\n");
      expect(plan.output).toContain("stop kg-graph-builder-af-leaves (withdrawn)");
      expect(plan.output).toContain("quarantine cluster.registry-0 @ 4: value-not-json");
      expect(plan.output).toContain("delete group kg-builder-af-leaves\n");
      expect(plan.output).toContain("3 steps for 3 clusters");
      const changed = await fleet.run(["control-plane", "--plan"], {
        WORKER_COMMAND: "/bin/sleep 2000000",
      });
      expect(changed.output).toContain("stop kg-graph-builder-af-runs (spec-changed)");
      expect(await state()).toEqual(before);
      const second = await fleet.start();
      await second.leads();
      await untilRuns(fleet, ["af-new", "af-runs"]);
    }),
  LIMIT_MS,
);

test(
  "every act has an intent and an outcome in the audit, with the epoch of its leader",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const first = await fleet.start();
      await first.leads();
      await sender.register("af-1");
      await until(
        "it to run",
        async () => (await first.cluster("af-1"))?.worker?.state === "running",
        { deadlineMs: 10_000 },
      );
      const [killed = 0] = pids(fleet);
      process.kill(killed, "SIGKILL");
      await until(
        "its successor, and both starts told",
        async () => {
          const seen = await first.cluster("af-1");
          const told = seen?.actions?.filter(({ phase }) => phase === "outcome");
          return seen?.worker?.restarts === 1 && told?.length === 3;
        },
        { deadlineMs: 10_000 },
      );
      await twoRounds(first);
      const epochs = [(await first.health()).epoch];
      await first.process.stop();
      const second = await fleet.start();
      await second.leads();
      await sender.withdraw("af-1");
      await untilShown(second, "af-1", { withdrawal: "done" });
      epochs.push((await second.health()).epoch);
      expect(epochs[1]).toBeGreaterThan(epochs[0] ?? 0);
      const wanted = [
        ...["start", "stop", "start"].map((action) => `${action} ${epochs[0]}`),
        ...["stop", "delete-group"].map((action) => `${action} ${epochs[1]}`),
      ];
      const audit = await until(
        "the last outcome",
        async () => {
          const seen = await auditOf(kafka);
          if (seen.length >= 2 * wanted.length) return seen;
          throw new Error(seen.map(({ id, phase, action }) => `${id} ${phase} ${action}`).join());
        },
        { deadlineMs: 20_000 },
      );
      const intents = audit.filter(({ phase }) => phase === "intent");
      const outcomes = audit.filter(({ phase }) => phase === "outcome");
      expect(intents.map(({ action, epoch }) => `${action} ${epoch}`)).toEqual(wanted);
      expect(outcomes.map(({ id }) => id)).toEqual(intents.map(({ id }) => id));
      expect(new Set(intents.map(({ id }) => id)).size).toBe(wanted.length);
      for (const { id, epoch, client_id: clientId } of audit) {
        expect(id).toStartWith(`${epoch}-`);
        expect(clientId).toBe("af-1");
      }
      expect(outcomes.map(({ result }) => result)).toEqual([
        "started",
        "stopped",
        "started",
        "stopped",
        "group-deleted",
      ]);
      expect((await second.cluster("af-1"))?.actions?.map(({ action }) => action)).toEqual([
        ...["stop", "stop"],
        ...["delete-group", "delete-group"],
      ]);
    }),
  LIMIT_MS,
);

test(
  "metrics and API: the seed's names with their zeros, filters, pages, wrong queries",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      const text = async () => await (await fetch(`${plane.url}/metrics`)).text();
      const empty = (await text()).split("\n");
      for (const line of [
        'kg_control_plane_clusters_total{status="active"} 0',
        'kg_control_plane_clusters_total{status="stale"} 0',
        'kg_control_plane_clusters_total{status="dead"} 0',
        "kg_control_plane_spawn_operations_total 0",
        "kg_control_plane_cleanup_operations_total 0",
        "outrider_leader 1",
      ]) {
        expect(empty).toContain(line);
      }
      const seed = empty.filter((line) => line.startsWith("kg_control_plane_clusters_total{"));
      expect(seed).toHaveLength(3);
      const ids = ["af-1", "af-2", "af-3"];
      for (const id of ids) await sender.register(id);
      await untilRuns(fleet, ids);
      await untilObserved(plane, "af-2");
      await sender.beat("af-2");
      await sender.beat("af-unknown");
      await untilShown(plane, "af-2", { state: "active" });
      await sender.withdraw("af-3");
      await untilShown(plane, "af-3", { withdrawal: "done" });
      const full = (await text()).split("\n");
      expect(full).toContain('kg_control_plane_clusters_total{status="active"} 2');
      expect(full).toContain('outrider_clusters{state="withdrawn"} 1');
      expect(full).toContain("kg_control_plane_spawn_operations_total 3");
      expect(full).toContain("kg_control_plane_cleanup_operations_total 1");
      const get = (path: string) => fetch(`${plane.url}${path}`);
      const active = await (await get("/api/v1/clusters?state=active")).json();
      expect(active).toMatchObject({ count: 1, clusters: [{ client_id: "af-2" }], next: null });
      expect(active).toMatchObject({ unregistered: { "af-unknown": 1 } });
      const page = await (await get("/api/v1/clusters?limit=2")).json();
      expect(page).toMatchObject({ count: 2, total: 3, next: "af-2" });
      const rest = await (await get("/api/v1/clusters?limit=2&after=af-2")).json();
      expect(rest).toMatchObject({ count: 1, clusters: [{ client_id: "af-3" }] });
      for (const wrong of ["state=gone", "limit=0", "limit=x", "limit=100000"]) {
        expect((await get(`/api/v1/clusters?${wrong}`)).status).toBe(400);
      }
      for (const unknown of ["af-9", "..%2F..%2Fetc", "%00", "__proto__"]) {
        expect((await get(`/api/v1/clusters/${unknown}`)).status).toBe(404);
      }
      expect((await fetch(`${plane.url}/api/v1/clusters`, { method: "POST" })).status).toBe(405);
      expect((await get("/health/live")).status).toBe(200);
      expect((await get("/health/ready")).status).toBe(200);
    }),
  LIMIT_MS,
);

test(
  "a standby shows the ledger, and takes over from a leader that is stopped",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const leader = await fleet.start();
      await leader.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1", "af-2"]);
      await untilRuns(fleet, ["af-1"]);
      await untilShown(leader, "af-1", { state: "active" });
      const before = pids(fleet);
      const standby = await fleet.start();
      await until("it to be a standby", async () => (await standby.health()).role === "standby", {
        deadlineMs: 20_000,
      });
      await untilShown(standby, "af-1", { state: "active", age_seconds: null });
      await sender.register("af-2");
      await untilRuns(fleet, ["af-1", "af-2"]);
      await untilShown(standby, "af-2", { state: "active" });
      expect((await leader.health()).role).toBe("leader");
      expect(await standby.metric("outrider_leader")).toBe(0);
      const epoch = (await leader.health()).epoch;
      await leader.process.stop();
      await standby.leads();
      expect((await standby.health()).epoch).toBeGreaterThan(epoch ?? 0);
      await sender.register("af-3");
      await untilRuns(fleet, ["af-1", "af-2", "af-3"]);
      expect(pids(fleet)).toEqual(expect.arrayContaining([...before]));
      // Only the new one: the others were adopted.
      await until(
        "its start to be counted",
        async () => (await standby.metric("kg_control_plane_spawn_operations_total")) === 1,
        { deadlineMs: 5_000 },
      );
      await stopBeating();
    }),
  LIMIT_MS,
);
