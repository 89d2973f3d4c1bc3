/**
 * A registry that is read from its start holds history: registrations and tombstones of long ago. Only
 * the last acceptable record of a key counts, and no consumer group is deleted for any of them.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { CLUSTER_INFO, HEARTBEAT, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import { type Groups, openGroups } from "../fault/groups.ts";
import {
  auditOf,
  beat,
  forget,
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
} from "../system/scenario.ts";

let groups: Groups;
afterAll(() => groups?.close());
const kafka = kafkaOfFile();
beforeAll(() => {
  groups = openGroups(kafka.bootstrap);
});

/** Nobody is to fall silent on a slow machine: nobody beats here. */
const PATIENT = { HEARTBEAT_TIMEOUT: "60s", CLEANUP_TIMEOUT: "120s" };
const COMPACT = { "cleanup.policy": "compact" };
/** Uninstalled and installed again; the same with garbage behind it; uninstalled; moved here later. */
const IDS = ["af-again", "af-garbage", "af-gone"] as const;

const again = registration("af-again", { version: "2" });
const HISTORY = [
  registration("af-again"),
  tombstone("af-again"),
  again,
  registration("af-garbage"),
  tombstone("af-garbage"),
  registration("af-garbage"),
  { key: "af-garbage", value: "not json" },
  registration("af-gone"),
  tombstone("af-gone"),
];

async function makeHistory(): Promise<void> {
  await makeTopic(kafka, CLUSTER_INFO, {}, 3);
  await makeTopic(kafka, REGISTRY, COMPACT);
  await kafka.tools.produce(REGISTRY, HISTORY);
  for (const id of IDS) await groups.commit(id, 42);
}

const committed = () => Promise.all(IDS.map((id) => groups.committed(id)));
const deleted = async () =>
  (await auditOf(kafka))
    .filter(({ action, phase }) => action === "delete-group" && phase === "outcome")
    .map(({ client_id }) => client_id);

test(
  "the first start, and one without its ledger, delete no group; a tombstone of now does",
  () =>
    withFleet(
      kafka,
      async ({ fleet }) => {
        await makeHistory();
        const plan = await fleet.run(["control-plane", "--plan"]);
        expect(plan.output).toContain("start kg-graph-builder-af-again\n");
        expect(plan.output).toContain("keep group kg-builder-af-gone,");
        expect(plan.output).not.toContain("delete group");

        const first = await fleet.start();
        await untilRuns(fleet, ["af-again", "af-garbage"]);
        await untilShown(first, "af-gone", { state: "withdrawn", withdrawal: "done" });
        await twoRounds(first);
        const before = pids(fleet);
        expect(await committed()).toEqual([42, 42, 42]);
        expect(first.process.output()).toContain("kg-builder-af-gone");
        await killHard(first);

        await forget(kafka, [STATUS]);
        const second = await fleet.start();
        await second.leads();
        await untilShown(second, "af-garbage", { state: "registered" });
        await untilShown(second, "af-gone", { state: "withdrawn", withdrawal: "done" });
        await twoRounds(second);
        expect(pids(fleet)).toEqual([...before]);
        expect(await committed()).toEqual([42, 42, 42]);
        await killHard(second);

        await kafka.tools.produce(REGISTRY, [tombstone("af-garbage")]);
        const withdrawn = await fleet.run(["control-plane", "--plan"]);
        expect(withdrawn.output).toContain("stop kg-graph-builder-af-garbage (withdrawn)");
        expect(withdrawn.output).toContain("delete group kg-builder-af-garbage\n");
        const third = await fleet.start();
        await untilShown(third, "af-garbage", { state: "withdrawn", withdrawal: "done" });
        expect(await committed()).toEqual([42, undefined, 42]);
        expect(await deleted()).toEqual(["af-garbage"]);
      },
      PATIENT,
    ),
  LIMIT_MS,
);

test(
  "a registry that was restored from a copy under a ledger stops nothing and deletes no group",
  () =>
    withFleet(
      kafka,
      async ({ fleet }) => {
        await makeHistory();
        const first = await fleet.start();
        await untilRuns(fleet, ["af-again", "af-garbage"]);
        await untilShown(first, "af-gone", { withdrawal: "done" });
        const before = pids(fleet);
        await killHard(first);

        await forget(kafka, [REGISTRY]);
        await makeTopic(kafka, REGISTRY, COMPACT);
        const older = HISTORY.slice(0, 5);
        await kafka.tools.produce(REGISTRY, [...older, tombstone("af-gone")]);
        const plan = await fleet.run(["control-plane", "--plan"]);
        expect(plan.output).not.toContain("stop ");
        expect(plan.output).not.toContain("delete group");
        const second = await fleet.start();
        await second.leads();
        await untilShown(second, "af-garbage", { state: "registered" });
        await twoRounds(second);
        expect(pids(fleet)).toEqual([...before]);
        expect(second.process.output()).toContain("the registration is kept");
        await untilShown(second, "af-gone", { state: "withdrawn", withdrawal: "done" });
        expect(await committed()).toEqual([42, 42, 42]);
        expect(await deleted()).toEqual([]);
      },
      PATIENT,
    ),
  LIMIT_MS,
);

test(
  "what older rules refused is taken in once, from a registry that they have judged",
  () =>
    withFleet(
      kafka,
      async ({ fleet }) => {
        await makeTopic(kafka, CLUSTER_INFO, {}, 3);
        await makeTopic(kafka, REGISTRY, COMPACT);
        await groups.commit("Gone.1", 42);
        await kafka.tools.produce(REGISTRY, [
          registration("Prod_EU"),
          registration("prod_eu"),
          { key: "client_007", value: '{"client_id":"client_007"}' },
          registration("Gone.1"),
          tombstone("Gone.1"),
        ]);
        const ids = ["Prod_EU", "client_007", "prod_eu"];
        const first = await fleet.start();
        await untilRuns(fleet, ids);
        await untilShown(first, "client_007", { cluster_name: "client_007" });
        await untilShown(first, "Gone.1", { withdrawal: "done" });
        const before = pids(fleet);
        await killHard(first);

        // As the first release left it: judged to its end, and nothing of it accepted.
        const ledger = await recordsOf(kafka, STATUS);
        const applied = ledger.findLast(({ key }) => key === "_applied:0")?.value ?? "";
        expect(applied).toContain('"rules":2');
        await forget(kafka, [STATUS]);
        await makeTopic(kafka, STATUS, COMPACT);
        const value = applied.replace('"rules":2', '"sequence":0');
        await kafka.tools.produce(STATUS, [{ key: "_applied:0", value }]);
        const second = await fleet.start();
        await second.leads();
        for (const id of ids) await untilShown(second, id, { state: "registered" });
        await untilShown(second, "Gone.1", { state: "withdrawn", withdrawal: "done" });
        await twoRounds(second);
        expect(pids(fleet)).toEqual([...before]);
        expect(await groups.committed("Gone.1")).toBe(42);
        await kafka.tools.produce(HEARTBEAT, [{ ...beat("Prod_EU"), key: "Prod_EU::Prod_EU" }]);
        await untilShown(second, "Prod_EU", { state: "active" });
        await untilShown(second, "prod_eu", { state: "registered" });
      },
      PATIENT,
    ),
  LIMIT_MS,
);
