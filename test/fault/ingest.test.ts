/** Nothing is lost and nothing doubled: kills, restarts, rivals, lost answers, a topic that is made again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import type { Reporter } from "../bed/reporter.ts";
import { onScene, type Scene, type Servers, startServers } from "../system/ingest-stage.ts";
import { asAdmin, forget, makeTopic } from "../system/scenario.ts";
import { openLostAnswers } from "./lost-answer.ts";

const LIMIT_MS = 120_000;
const SOON = { deadlineMs: 30_000 };
const COMPACTED = { "cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime" };

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
}, LIMIT_MS);
afterAll(() => servers.stop());

/** Each object gets so many contents, one after the other, in as many records. */
async function churn(reporter: Reporter, objects: number, rounds: number, from = 0): Promise<void> {
  for (let round = from; round < from + rounds; round += 1) {
    const all = Array.from({ length: objects }, (_, index) => [
      `u${index}`,
      { name: `pod-${index}`, namespace: "shop", phase: `phase-${round}` },
    ]);
    await reporter.put("pods", Object.fromEntries(all));
  }
}

/** Every content once, in its order, each until the next one begins. */
async function soundHistory({ rows }: Scene, clientId: string, objects: number, rounds: number) {
  const found = await rows(`
    select count(*)::int as versions, count(distinct (uid, data ->> 'phase'))::int as contents,
      bool_and(valid_from <= valid_to) as ordered,
      bool_and(valid_to = coalesce(next_from, valid_to)) as gapless
    from (
      select uid, data, valid_from, valid_to, lead(valid_from) over (partition by uid order by kafka_offset) as next_from
      from (
        select uid, data, valid_from, valid_to, kafka_offset from cluster_info.object_history where client_id = '${clientId}'
        union all
        select uid, data, valid_from, 'infinity', kafka_offset from cluster_info.objects where client_id = '${clientId}') v
    ) w where valid_to < 'infinity' or next_from is null`);
  const versions = objects * rounds;
  expect(found[0]).toEqual({ versions, contents: versions, ordered: true, gapless: true });
}

test(
  "kills of ingest and of PostgreSQL, and a stop in the middle: each version once",
  async () => {
    await onScene(servers, async (scene) => {
      const { ingest, reporter, equals } = scene;
      const one = reporter("af-1");
      await one.begin();
      let store = await ingest();
      for (let round = 0; round < 6; round += 1) {
        const writing = churn(one, 300, 5, round * 5);
        if (round % 3 === 0) {
          store.process.kill("SIGKILL");
          store = await ingest();
        } else if (round % 3 === 1) {
          await servers.postgres.kill();
          await servers.postgres.start();
        } else {
          // Another takes over while the first is stopped, perhaps inside a transaction; then it goes on.
          store.process.kill("SIGSTOP");
          const second = await ingest();
          await writing;
          await equals(one);
          store.process.kill("SIGCONT");
          await second.process.stop();
        }
        await writing;
      }
      await equals(one);
      await soundHistory(scene, "af-1", 300, 30);
    });
  },
  LIMIT_MS,
);

test(
  "four rivals for one partition, and answers to COMMIT that get lost: each version once",
  async () => {
    await onScene(
      servers,
      async (scene) => {
        const { ingest, reporter, equals, environment } = scene;
        const path = await openLostAnswers(Number(environment["DB_PORT"]));
        try {
          const one = reporter("af-1");
          await one.begin();
          // Groups of their own: each of them owns every partition.
          const rivals = await Promise.all(
            [1, 2, 3, 4].map((n) =>
              ingest({ KAFKA_GROUP: `rival-${n}`, DB_PORT: String(path.port) }),
            ),
          );
          path.lose(12);
          await churn(one, 100, 20);
          await equals(one);
          await soundHistory(scene, "af-1", 100, 20);
          expect(path.lost()).toBeGreaterThan(3);
          for (const rival of rivals) {
            await until("a rival to be ready again", rival.ready, SOON);
            expect(rival.process.running()).toBe(true);
          }
        } finally {
          path.close();
        }
      },
      { partitions: 1 },
    );
  },
  LIMIT_MS,
);

test(
  "PostgreSQL away: nothing is skipped, the membership stays, memory does not grow",
  async () => {
    await onScene(servers, async (scene) => {
      const { ingest, reporter, equals, environment } = scene;
      const one = reporter("af-1");
      await one.begin();
      const store = await ingest();
      await churn(one, 50, 1);
      await equals(one);
      const rss = () => store.metric("process_resident_memory_bytes");
      const before = await rss();
      await servers.postgres.kill();
      await until("it to say so", async () => !(await store.ready()), SOON);
      // About 24 MB: more than is fetched at once.
      const filler = "x".repeat(4000);
      for (let round = 0; round < 12; round += 1) {
        await one.put(
          "pods",
          Object.fromEntries(
            Array.from({ length: 500 }, (_, index) => [
              `f${index}`,
              { name: `f${index}`, filler, round },
            ]),
          ),
        );
      }
      const members = async () =>
        await servers.kafka.tools.describeGroup(environment["KAFKA_GROUP"] ?? "");
      expect((await members()).some(({ consumerId }) => consumerId !== null)).toBe(true);
      expect((await rss()) - before).toBeLessThan(100 * 1024 * 1024);
      await servers.postgres.start();
      await equals(one);
      expect(store.process.output().match(/partitions lost/gu)).toBeNull();
      expect(store.process.output().match(/"assigned"/gu)?.length).toBe(1);
    });
  },
  LIMIT_MS,
);

test(
  "a topic that is made again, shorter and longer, and more partitions: rows follow, removals wait for a pass",
  async () => {
    await onScene(
      servers,
      async (scene) => {
        const { ingest, reporter, equals, rows, topic } = scene;
        const one = reporter("af-1", 1);
        await one.begin();
        await churn(one, 20, 10);
        await one.fullPass("pods");
        const store = await ingest();
        await equals(one);
        const kinds = async () =>
          (await rows("select verified, unverified_reason from cluster_info.kinds"))[0];
        await until("the mark", async () => (await kinds())?.["verified"] === true, SOON);

        await forget(servers.kafka, [topic]);
        await makeTopic(servers.kafka, topic, COMPACTED, 1);
        // The agent has lost two objects meanwhile; only its next full pass says so.
        one.forget("pods", "u0");
        one.forget("pods", "u1");
        await one.begin();
        await one.put("pods", { u2: { name: "pod-2", phase: "again" } });
        await until(
          "the change",
          async () =>
            (await rows("select from cluster_info.objects where data ->> 'phase' = 'again'"))
              .length === 1,
          SOON,
        );
        expect((await rows("select from cluster_info.objects")).length).toBe(20);
        expect(await kinds()).toMatchObject({ verified: false });
        await one.fullPass("pods");
        await equals(one);
        await until("the mark again", async () => (await kinds())?.["verified"] === true, SOON);

        await asAdmin(servers.kafka, (admin) =>
          admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }),
        );
        // One of these lies in each of the three.
        for (const id of ["af-1", "af-2", "af-3", "af-4", "af-5", "af-6"]) {
          const moved = reporter(id, 3);
          await moved.begin();
          await moved.put("pods", { a: { name: "a", phase: "moved" } });
          await moved.fullPass("pods");
          await equals(moved);
        }
        expect(store.process.running()).toBe(true);
      },
      { partitions: 1 },
    );
  },
  LIMIT_MS,
);
