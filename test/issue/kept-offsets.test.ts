/** The offsets of a dead cluster's group: kept in the ledger, put back where Kafka has forgotten them. */
import { expect, test } from "bun:test";
import { decodeLedger } from "../../shared/protocol/ledger.ts";
import { CLUSTER_INFO, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  asAdmin,
  forget,
  killHard,
  LIMIT_MS,
  makeTopic,
  recordsOf,
  untilRuns,
  untilShown,
  withFleet,
} from "../system/scenario.ts";

const SOON = { deadlineMs: 30_000 };
const OTHER = "cluster-other";
const GONE = "cluster-made-again";

const kafka = kafkaOfFile({ properties: { "offsets.retention.minutes": "60" } });

const commit = (groupId: string, topic: string, offsets: readonly number[]) =>
  asAdmin(kafka, (admin) =>
    admin.setOffsets({
      groupId,
      topic,
      partitions: offsets.map((offset, partition) => ({ partition, offset: String(offset) })),
    }),
  );
/** -1: none. */
const committed = async (groupId: string, topic: string): Promise<readonly number[]> => {
  const [found] = await asAdmin(kafka, (admin) => admin.fetchOffsets({ groupId, topics: [topic] }));
  return (found?.partitions ?? [])
    .toSorted((a, b) => a.partition - b.partition)
    .map(({ offset }) => Number(offset));
};
/** Some in each partition. */
const fill = (topic: string, count: number) =>
  kafka.tools.produce(
    topic,
    Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: "x" })),
  );

async function keptOffsets(clientId: string) {
  const records = await recordsOf(kafka, STATUS);
  const last = records.filter(({ key }) => key === clientId).at(-1);
  const read = decodeLedger(Buffer.from(clientId), Buffer.from(last?.value ?? ""));
  return read.ok && read.value.kind === "status" ? read.value.status.offsets : undefined;
}

test(
  "are put back before the next start only where the group is gone, the topic is the same, and the log has them",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      await makeTopic(kafka, REGISTRY, { "cleanup.policy": "compact" });
      const first = await fleet.start();
      await first.leads();
      await first.process.waitForOutput(/forgets the offsets of a group 60 minutes after/u, 20_000);
      await first.process.waitForOutput(/keeps a tombstone for 86400000 ms/u, 20_000);
      await makeTopic(kafka, OTHER, {}, 2);
      await makeTopic(kafka, GONE);
      for (const topic of [CLUSTER_INFO, OTHER, GONE]) await fill(topic, 60);
      const group = "kg-builder-back";
      await commit(group, CLUSTER_INFO, [7]);
      await commit(group, OTHER, [2, 0]);
      await commit(group, GONE, [5]);
      await commit("kg-builder-there", OTHER, [3]);

      for (const id of ["back", "there"]) await sender.register(id);
      await untilRuns(fleet, ["back", "there"]);
      await untilShown(first, "back", { state: "dead", worker: null });
      await untilRuns(fleet, []);
      await until("both to be kept", async () => (await keptOffsets("there")) !== undefined, SOON);
      await until("both to be kept", async () => (await keptOffsets("back")) !== undefined, SOON);
      const kept = await keptOffsets("back");
      expect(kept?.topics.map(({ topic }) => topic).toSorted()).toEqual(
        [CLUSTER_INFO, OTHER, GONE].toSorted(),
      );

      // A leader that knows of them from the ledger alone; Kafka forgets one group, and moves the other.
      await killHard(first);
      await asAdmin(kafka, (admin) => admin.deleteGroups([group]));
      await commit("kg-builder-there", OTHER, [8]);
      await asAdmin(kafka, async (admin) => {
        // Else it does not know the topic's leader.
        await admin.fetchTopicOffsets(OTHER);
        const partitions = [{ partition: 0, offset: "4" }];
        await admin.deleteTopicRecords({ topic: OTHER, partitions });
      });
      await forget(kafka, [GONE]);
      await makeTopic(kafka, GONE);
      const second = await fleet.start();
      await second.leads();
      for (const id of ["back", "there"]) await sender.beat(id);
      await untilRuns(fleet, ["back", "there"]);
      expect((await committed(group, CLUSTER_INFO))[0]).toBe(7);
      expect(await committed(group, OTHER)).toEqual([4, 0]);
      expect(await committed(group, GONE)).toEqual([-1]);
      expect((await committed("kg-builder-there", OTHER))[0]).toBe(8);
      expect(second.process.output()).toContain("committed the offsets of a group again");
      await until(
        "nothing to be kept of one that runs",
        async () => (await keptOffsets("back")) === undefined,
        SOON,
      );
      await forget(kafka, [GONE, OTHER]);
    }),
  LIMIT_MS,
);
