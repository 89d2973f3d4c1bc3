import { expect, test } from "bun:test";
import { REGISTRY } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane, FleetBed } from "../bed/control-plane.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import type { Sender } from "../bed/sender.ts";
import {
  clientIds,
  forget,
  LIMIT_MS,
  makeTopic,
  observed,
  pids,
  recordsOf,
  untilRuns,
  untilShown,
  withFleet,
} from "./scenario.ts";

const QUICK = { CLEANUP_TIMEOUT: "5s" };
const CLEANUP_MS = 5_000;

const kafka = kafkaOfFile();

async function makeRegistryAgain(): Promise<void> {
  await forget(kafka, [REGISTRY]);
  await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
}

/** From a registry that was made again to an operator's word, with `af-old` silent and `af-kept` not. */
async function heldUntilAccepted(
  { fleet, sender }: { readonly fleet: FleetBed; readonly sender: Sender },
  plane: ControlPlane,
  before: readonly number[],
): Promise<void> {
  await sender.register("af-new");
  await untilRuns(fleet, ["af-kept", "af-new", "af-old"]);
  await untilShown(plane, "af-old", { state: "stale", held: "registry-made-again" });
  expect(pids(fleet)).toEqual(expect.arrayContaining([...before]));
  const refused = await fleet.run(["accept-registry"]);
  expect(refused.output).toContain("give --yes");
  await untilShown(plane, "af-old", { held: "registry-made-again" });
  const accepted = await fleet.run(["accept-registry", "--yes"]);
  expect(accepted).toMatchObject({ code: 0 });
  await untilRuns(fleet, ["af-kept", "af-new"]);
  await untilShown(plane, "af-old", { state: "dead", worker: null });
  expect(await plane.metric('kg_control_plane_clusters_total{status="dead"}')).toBe(0);
  expect(await plane.metric('outrider_clusters{state="dead"}')).toBe(1);
  const audit = (await recordsOf(kafka, "cluster.audit")).map(({ value }) => value ?? "");
  expect(audit.filter((value) => value.includes('"accept-registry"'))).toHaveLength(1);
  expect((await fleet.run(["accept-registry", "--yes"])).output).toContain("nothing is held");
}

async function cleanedUp(plane: ControlPlane, count: number): Promise<void> {
  const cleaned = () => plane.metric("kg_control_plane_cleanup_operations_total");
  await until("its clean-ups to be counted", async () => (await cleaned()) === count, {
    deadlineMs: 10_000,
  });
}

test(
  "the registry deleted and made again while it runs: nothing stops until an operator accepts it",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        const stopBeating = sender.beating(() => ["af-kept", "af-new"]);
        await sender.register("af-kept");
        await sender.register("af-old");
        await untilRuns(fleet, ["af-kept", "af-old"]);
        const before = pids(fleet);
        await makeRegistryAgain();
        await heldUntilAccepted({ fleet, sender }, plane, before);
        await stopBeating();
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "the registry deleted and made again while stopped: the same, and no orphan is stopped",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const first = await fleet.start();
        await first.leads();
        const stopBeating = sender.beating(() => ["af-kept", "af-new"]);
        await sender.register("af-kept");
        await sender.register("af-old");
        await untilRuns(fleet, ["af-kept", "af-old"]);
        const before = pids(fleet);
        await first.process.stop();
        await makeRegistryAgain();
        const preview = await fleet.run(["control-plane", "--plan"]);
        expect(preview.output).toContain("the registry was recreated");
        const second = await fleet.start();
        await second.leads();
        await heldUntilAccepted({ fleet, sender }, second, before);
        await stopBeating();
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "an orphan is never stopped while the registry is empty, and then after a CLEANUP_TIMEOUT",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const first = await fleet.start();
        await first.leads();
        await sender.register("af-orphan");
        await untilRuns(fleet, ["af-orphan"]);
        const before = pids(fleet);
        await first.process.stop();
        // Neither ledger nor registry knows it any more.
        await forget(kafka);
        const second = await fleet.start();
        await second.leads();
        await observed(kafka, 2 * CLEANUP_MS);
        expect(pids(fleet)).toEqual([...before]);
        expect(await second.clusters()).toEqual([]);
        expect(await second.metric("outrider_held_clusters")).toBe(1);
        const stopBeating = sender.beating(() => ["af-first"]);
        await sender.register("af-first");
        await untilRuns(fleet, ["af-first"]);
        await cleanedUp(second, 1);
        await stopBeating();
      },
      QUICK,
    ),
  LIMIT_MS,
);

test(
  "an orphan of a fleet with registrations is stopped after a CLEANUP_TIMEOUT, not before",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const first = await fleet.start();
        await first.leads();
        await sender.register("af-orphan");
        await untilRuns(fleet, ["af-orphan"]);
        await first.process.stop();
        await forget(kafka);
        await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
        await sender.register("af-other");
        // As old as the orphan's listing, and its clock can be seen.
        await sender.register("af-clock");
        const second = await fleet.start();
        await second.leads();
        const stopBeating = sender.beating(() => ["af-other"]);
        await untilRuns(fleet, ["af-clock", "af-orphan", "af-other"]);
        await untilShown(second, "af-clock", { state: "stale" });
        expect(clientIds(fleet)).toContain("af-orphan");
        await untilRuns(fleet, ["af-other"]);
        await untilShown(second, "af-clock", { state: "dead" });
        await stopBeating();
        await cleanedUp(second, 2);
      },
      QUICK,
    ),
  LIMIT_MS,
);
