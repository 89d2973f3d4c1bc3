/** What agents collect stands in PostgreSQL: rows, history, marks, and what is not taken. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import { onScene, type Servers, startServers } from "./ingest-stage.ts";
import { asAdmin } from "./scenario.ts";

const LIMIT_MS = 90_000;
const SOON = { deadlineMs: 20_000 };

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
}, LIMIT_MS);
afterAll(() => servers.stop());

const pods = (count: number, phase = "Running") =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `u${index}`,
      { name: `pod-${index}`, namespace: "shop", phase },
    ]),
  );

test(
  "objects, their changes and their ends stand in rows and history, and the marks agree",
  async () => {
    await onScene(servers, async ({ ingest, reporter, equals, rows }) => {
      const store = await ingest();
      const one = reporter("af-1");
      await one.begin();
      await one.scope(["pods", "services"]);
      await one.put("pods", pods(20));
      await one.put("services", { s1: { name: "web", namespace: "shop", type: "ClusterIP" } });
      await one.fullPass("pods");
      await one.fullPass("services");
      await equals(one);
      const proof = async () =>
        await rows("select kind, verified, row_count from cluster_info.kinds order by kind");
      await until(
        "both marks",
        async () => (await proof()).every(({ verified }) => verified === true),
        SOON,
      );

      await one.put("pods", { u1: { name: "pod-1", namespace: "shop", phase: "Failed" } });
      await one.put("pods", { u1: { name: "pod-1", namespace: "shop", phase: "Succeeded" } });
      await one.remove("pods", ["u2", "u3"]);
      // Gone while no agent looked, and back with the same content: no version of its own.
      one.forget("pods", "u4");
      await one.fullPass("pods");
      await equals(one);
      const history = await until(
        "the history of what ended",
        async () => {
          const found = await rows(
            `select uid, ending, data ->> 'phase' as phase, valid_from <= valid_to as sound
           from cluster_info.object_history order by valid_to, kafka_offset`,
          );
          return found.length === 5 ? found : undefined;
        },
        SOON,
      );
      expect(history).toEqual([
        { uid: "u1", ending: "changed", phase: "Running", sound: true },
        { uid: "u1", ending: "changed", phase: "Failed", sound: true },
        { uid: "u2", ending: "deleted", phase: "Running", sound: true },
        { uid: "u3", ending: "deleted", phase: "Running", sound: true },
        { uid: "u4", ending: "not-in-pass", phase: "Running", sound: true },
      ]);
      // The original's view, with its columns.
      expect(
        await rows("select count(*)::int as n, min(phase) as phase from cluster_info.pods"),
      ).toEqual([{ n: 17, phase: "Running" }]);
      // Kinds that are collected no more are closed, a forbidden one stays.
      await one.scope(["pods"], { pods: "forbidden" });
      await until(
        "the services to be closed",
        async () =>
          (await rows("select from cluster_info.objects where kind = 'services'")).length === 0,
        SOON,
      );
      expect(await rows("select kind, state from cluster_info.kinds")).toEqual([
        { kind: "pods", state: "forbidden" },
      ]);
      expect((await rows("select from cluster_info.objects")).length).toBe(17);
      expect(await store.metric('outrider_ingest_mark_checks_total{result="unequal"}')).toBe(0);
    });
  },
  LIMIT_MS,
);

test(
  "a mark that counts more than there is, another life, and records that cannot be taken, are shown",
  async () => {
    await onScene(servers, async ({ ingest, reporter, equals, rows }) => {
      const store = await ingest();
      const one = reporter("af-1");
      await one.begin();
      await one.put("pods", pods(3));
      await one.fullPass("pods");
      await one.mark("pods", { full: false, lost: 1 });
      const kind = async () =>
        (await rows("select verified, unverified_reason from cluster_info.kinds"))[0];
      await until(
        "the loss",
        async () => (await kind())?.["verified"] === false && (await kind()),
        SOON,
      );
      expect((await kind())?.["unverified_reason"]).toContain("the agent has 4 objects");
      await one.mark("pods");
      await until("no loss", async () => (await kind())?.["verified"] === true, SOON);

      // A second agent with the same client id.
      const other = reporter("af-1");
      await other.put("pods", { x: { name: "stranger" } });
      await one.raw({ key: "af-1/pods/u9", value: "{not json", headers: {} });
      await one.raw({ key: '{"cluster"', value: "s3cr3t-value" });
      await one.raw({ key: "af-1/pods/nul", value: JSON.stringify({ schema: 9 }) });
      await one.put("pods", { u0: { name: "pod-0", namespace: "shop", phase: "Failed" } });
      // PostgreSQL takes no NUL in a text; ours are cleaned, another agent's may not be.
      await one.put("pods", { u1: { name: "pod-\u0000", namespace: "shop" } });
      one.forget("pods", "u1");
      await until(
        "four dead letters",
        async () => (await rows("select from cluster_info.dead_letters")).length === 4,
        SOON,
      );
      const letters = await rows(
        "select code, value_bytes::int as bytes, length(value_sha256) as digits from cluster_info.dead_letters order by record_offset",
      );
      expect(letters.map(({ code }) => code)).toEqual([
        ...["value-not-json", "key-invalid", "schema-unknown", "refused-by-database"],
      ]);
      expect(letters[1]).toMatchObject({ bytes: 12, digits: 64 });
      const phase = await rows(
        "select data ->> 'phase' as phase from cluster_info.objects where uid = 'u0'",
      );
      expect(phase).toEqual([{ phase: "Failed" }]);
      expect((await rows("select from cluster_info.objects where uid = 'x'")).length).toBe(0);
      expect(await rows("select foreign_records::int as n from cluster_info.clusters")).toEqual([
        { n: 1 },
      ]);
      expect(await store.metric("outrider_ingest_dead_letters_total")).toBe(4);
      expect(store.process.output()).not.toContain("s3cr3t-value");
      // u1 has its old row; a full pass closes it.
      await one.fullPass("pods");
      await equals(one);
    });
  },
  LIMIT_MS,
);

test(
  "a topic that is missing is made, with as many partitions as asked for; one that is there stays as it is",
  async () => {
    await onScene(servers, async ({ ingest, topic }) => {
      const name = `${topic}-made`;
      for (const partitions of ["5", "7"]) {
        const store = await ingest({ KAFKA_TOPIC: name, KAFKA_TOPIC_PARTITIONS: partitions });
        await until("it to be ready", store.ready, SOON);
        await store.process.stop();
      }
      const found = await asAdmin(servers.kafka, (admin) => admin.fetchTopicOffsets(name));
      expect(found).toHaveLength(5);
    });
  },
  LIMIT_MS,
);
