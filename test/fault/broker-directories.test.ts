/** One broker with two log directories: one is taken away, and a replica moves from one to the other. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkIn } from "../bed/broker-sidecar/answer.ts";
import { brokerStage } from "../bed/broker-sidecar/stage.ts";
import { openWatch } from "../bed/broker-sidecar/watch.ts";
import { until } from "../bed/condition.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { say } from "./say.ts";

const LIMIT_MS = 150_000;
const OPEN_MS = 120_000;
const SOON_MS = 60_000;
const MOVED = "moved";
const RECORDS = 1000;
const RECORD_BYTES = 20_000;
/** 20 MB then take 13 s: rounds enough to see it move. */
const THROTTLE_BYTES = 1_500_000;
const ROUNDS_MIN = 4;
const PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance";
const REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";

const stage = brokerStage({
  kafka: {
    // A directory is found missing when a checkpoint is written to it.
    properties: { "replica.high.watermark.checkpoint.interval.ms": "500" },
  },
  sidecars: {},
  prepare: async ({ tools }) => {
    await tools.createTopic("spread", 4);
    await tools.createTopic(MOVED, 1);
    await tools.run(PERFORMANCE, [
      ...["--topic", MOVED, "--num-records", String(RECORDS)],
      ...["--record-size", String(RECORD_BYTES), "--throughput", "-1"],
      ...["--producer-props", `bootstrap.servers=${tools.bootstrap}`],
    ]);
  },
});

beforeAll(stage.open, OPEN_MS);
afterAll(stage.close);

const rounded = (ms: number) => `${Math.round(ms)} ms`;

/** Begins the move to the directory that the replica is not in. */
async function beginMove({ broker, tools, dir }: KafkaBed): Promise<void> {
  const [first = "", second = ""] = broker(0).logDirs;
  const isInFirst = await Bun.file(join(first, `${MOVED}-0`, "00000000000000000000.log")).exists();
  const wanted = {
    version: 1,
    partitions: [
      { topic: MOVED, partition: 0, replicas: [0], log_dirs: [isInFirst ? second : first] },
    ],
  };
  const file = join(dir, `move-${crypto.randomUUID()}.json`);
  await Bun.write(file, JSON.stringify(wanted));
  await tools.run(REASSIGN, [
    ...["--bootstrap-server", tools.bootstrap, "--reassignment-json-file", file, "--execute"],
    ...["--replica-alter-log-dirs-throttle", String(THROTTLE_BYTES)],
  ]);
}

describe("sidecar broker", () => {
  test(
    "shows a replica that moves between directories as progress, and stays ready",
    stage.act(async ({ kafka, sidecars }) => {
      const own = sidecars.of(0);
      const strict = await sidecars.start(0, { env: { FUTURE_REPLICAS: "fail" } });
      await strict.seenAfter(performance.now(), "ready", ({ code }) => code === 200);
      const reasons = new Set<string>();
      const watch = openWatch(own.ready, {
        judge: (probed) => {
          const { status, reason } = checkIn(probed, "future-replicas");
          if (status === "warn") reasons.add(reason);
        },
      });
      const sinceMs = performance.now();
      await beginMove(kafka);
      const seen = await own.seenAfter(
        sinceMs,
        "ready",
        (probed) => checkIn(probed, "future-replicas").status === "warn",
      );
      expect(checkIn(seen.probed, "future-replicas").reason).toContain(`${MOVED}-0`);
      const failing = await strict.seenAfter(sinceMs, "ready", ({ code }) => code === 503);
      expect(failing.probed.body.error).toBe(
        "log directories unhealthy (future partitions detected)",
      );
      expect(failing.probed.body.logDirsHealthy).toBe(false);
      expect((await strict.live()).code).toBe(200);
      await until("progress to be told", () => reasons.size >= ROUNDS_MIN, {
        deadlineMs: SOON_MS,
      });
      const done = await own.seenAfter(
        sinceMs,
        "ready",
        (probed) => checkIn(probed, "future-replicas").status === "pass",
        SOON_MS,
      );
      const strictDone = await strict.seenAfter(sinceMs, "ready", ({ code }) => code === 200);
      const { codes, rounds } = await watch.stop();
      expect([...codes]).toEqual([200]);
      const told = [...reasons];
      const bytes = told.map((reason) => Number(/\(([\d.]+) MiB copied/u.exec(reason)?.[1] ?? 0));
      expect(bytes.toSorted((a, b) => a - b)).toEqual(bytes);
      expect(bytes.at(-1) ?? 0).toBeGreaterThan(bytes[0] ?? 0);
      say(
        `move: seen after ${rounded(seen.afterMs)}, over by ${rounded(done.afterMs)} (FUTURE_REPLICAS=fail: ${rounded(strictDone.afterMs)}), ready in all ${rounds} rounds`,
      );
      say(`move: ${told.slice(0, 4).join(" / ")}`);
      await strict.process.stop();
    }),
    LIMIT_MS,
  );

  test(
    "names a log directory that was taken away, and leaves the broker alive",
    stage.act(async ({ kafka, sidecars, undo }) => {
      const own = sidecars.of(0);
      // The metadata log is in the first: without that Kafka ends.
      const taken = kafka.broker(0).logDirs[1] ?? "";
      const live = openWatch(own.live);
      const sinceMs = performance.now();
      await rename(taken, `${taken}-away`);
      undo(async () => {
        await kafka.broker(0).stop();
        await rm(taken, { force: true });
        await rename(`${taken}-away`, taken);
      });
      const seen = await own.seenAfter(
        sinceMs,
        "ready",
        (probed) => checkIn(probed, "log-directories").status === "fail",
      );
      expect(seen.probed.code).toBe(503);
      expect(checkIn(seen.probed, "log-directories").reason).toBe(`offline: ${taken}`);
      // The replicas in it are out of sync: the cause is what is named.
      expect(seen.probed.body.error).toBe(`log directories unhealthy (offline: ${taken})`);
      expect(seen.probed.body.logDirsHealthy).toBe(false);
      // It has started, and a startup probe that fails would restart it.
      expect((await own.fresh("startup")).code).toBe(200);
      say(`directory away: "${seen.probed.body.error}" after ${rounded(seen.afterMs)}`);
      const { codes, lost } = await live.stop();
      expect([...codes]).toEqual([200]);
      expect(lost).toEqual([]);
      expect(await own.metric(`outrider_broker_log_dir_online{dir="${taken}"}`)).toBe(0);

      // So it is at its start: it serves from the other directory, and is not to be restarted.
      await kafka.broker(0).stop();
      await writeFile(taken, "no directory");
      const againMs = performance.now();
      await kafka.broker(0).start();
      const up = await own.seenAfter(againMs, "startup", ({ code }) => code === 200);
      const unready = await own.fresh("ready");
      expect(unready.body.error).toBe(`log directories unhealthy (offline: ${taken})`);
      await kafka.tools.createTopic("served", 1);
      await kafka.tools.produce("served", [{ key: "k", value: "v" }]);
      expect((await own.fresh("startup")).code).toBe(200);
      say(`directory away at start: startup passes ${rounded(up.afterMs)} after the start began`);
    }),
    LIMIT_MS,
  );
});
