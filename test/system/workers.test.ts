import { expect, test } from "bun:test";
import { join } from "node:path";
import { CLUSTER_INFO, REGISTRY } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  auditOf,
  LIMIT_MS,
  pids,
  registration,
  tombstone,
  untilRuns,
  untilShown,
  withFleet,
} from "./scenario.ts";

const kafka = kafkaOfFile();

test(
  "a worker that crashes is started again, and counted",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const plane = await fleet.start();
      await plane.leads();
      await sender.register("af-1");
      const stopBeating = sender.beating(() => ["af-1"]);
      await until(
        "it to run",
        async () => (await plane.cluster("af-1"))?.worker?.state === "running",
        { deadlineMs: 10_000 },
      );
      const [first = 0] = pids(fleet);
      process.kill(first, "SIGKILL");
      await until(
        "another process",
        () => pids(fleet)[0] !== undefined && pids(fleet)[0] !== first,
        {
          deadlineMs: 10_000,
        },
      );
      await until(
        "one restart",
        async () => {
          const worker = (await plane.cluster("af-1"))?.worker;
          return worker?.restarts === 1 && worker.state === "running";
        },
        { deadlineMs: 10_000 },
      );
      // A listing may show it running before its start is confirmed.
      await until(
        "the second start to be confirmed",
        async () => (await plane.metric("kg_control_plane_spawn_operations_total")) === 2,
        { deadlineMs: 10_000 },
      );
      expect(await plane.metric("outrider_worker_exits_total")).toBe(1);
      await stopBeating();
    }),
  LIMIT_MS,
);

test(
  "a worker that exits again and again is a crash loop: shown, and slower each time",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-1");
        const stopBeating = sender.beating(() => ["af-1"]);
        await until(
          "four restarts, and a crash loop",
          async () => {
            const worker = (await plane.cluster("af-1"))?.worker;
            return worker?.state === "crash-loop" && worker.restarts >= 4;
          },
          { deadlineMs: 40_000 },
        );
        await stopBeating();
        const starts = (await auditOf(kafka)).filter(
          ({ action, phase }) => action === "start" && phase === "outcome",
        );
        const times = starts.map(({ at }) => Date.parse(at));
        const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
        // At once, then at least half of 1 and of 2 s.
        expect(pauses[0]).toBeLessThan(1_000);
        for (const [index, leastMs] of [500, 1_000].entries()) {
          expect(pauses[index + 1]).toBeGreaterThanOrEqual(leastMs);
        }
      },
      { WORKER_COMMAND: "/bin/sleep 0.3" },
    ),
  LIMIT_MS,
);

test(
  "a worker that ends at once is a crash loop, too, and the API says why",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const plane = await fleet.start();
        await plane.leads();
        await sender.register("af-1");
        const stopBeating = sender.beating(() => ["af-1"]);
        await until(
          "a crash loop",
          async () => {
            const seen = await plane.cluster("af-1");
            if (seen?.worker?.state !== "crash-loop") throw new Error(JSON.stringify(seen));
            return true;
          },
          { deadlineMs: 20_000 },
        );
        await stopBeating();
        const seen = await plane.cluster("af-1");
        expect(seen?.error).toContain("kg-graph-builder-af-1.log");
        expect(await plane.metric("kg_control_plane_spawn_operations_total")).toBe(0);
      },
      { WORKER_COMMAND: "/bin/false" },
    ),
  LIMIT_MS,
);

const info = (id: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ key: `${id}/pod/${index}`, value: "{}" }));

test(
  "the default worker: joins, commits; silent: group kept; back: resumes there; withdrawn: group gone",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const id = "af-ingest";
        const group = `kg-builder-${id}`;
        const plane = await fleet.start();
        await plane.leads();
        await kafka.tools.produce(REGISTRY, [registration(id)]);
        await untilRuns(fleet, [id]);
        const stopBeating = sender.beating(() => [id]);
        await kafka.tools.produce(CLUSTER_INFO, info(id, 10));
        const lag = async () => (await plane.cluster(id))?.lag?.records;
        await until("everything to be committed", async () => (await lag()) === 0, {
          deadlineMs: 20_000,
        });
        await stopBeating();
        await untilRuns(fleet, []);
        await untilShown(plane, id, { state: "dead" });
        await kafka.tools.produce(CLUSTER_INFO, info(id, 7));
        await until("the lag to be shown", async () => (await lag()) === 7, { deadlineMs: 10_000 });
        const kept = await kafka.tools.describeGroup(group);
        expect(kept.reduce((sum, { committed }) => sum + (committed ?? 0), 0)).toBe(10);
        const stopAgain = sender.beating(() => [id]);
        await untilRuns(fleet, [id]);
        await until("the rest to be committed", async () => (await lag()) === 0, {
          deadlineMs: 20_000,
        });
        await stopAgain();
        // Its successor has counted what was new, and nothing twice.
        const log = await Bun.file(
          join(fleet.stateDir, "logs", `kg-graph-builder-${id}.log`),
        ).text();
        const counts = [...log.matchAll(/counted=(?<count>\d+)|"counted":(?<json>\d+)/gu)].map(
          ({ groups }) => Number(groups?.["count"] ?? groups?.["json"]),
        );
        expect(Math.max(...counts)).toBe(10);
        expect(counts.at(-1)).toBe(7);
        await kafka.tools.produce(REGISTRY, [tombstone(id)]);
        await untilRuns(fleet, []);
        await untilShown(plane, id, { withdrawal: "done" });
        expect(await kafka.tools.listGroups()).not.toContain(group);
      },
      { WORKER_COMMAND: "", CLEANUP_TIMEOUT: "6s" },
    ),
  LIMIT_MS,
);
