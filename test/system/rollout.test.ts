/** Rollouts of the compiled control plane on real processes: the good one, and those that halt themselves. */
import { expect, test } from "bun:test";
import { until } from "../bed/condition.ts";
import type { FleetBed } from "../bed/control-plane.ts";
import { kafkaOfFile } from "../bed/kafka/of-file.ts";
import {
  auditOf,
  LIMIT_MS,
  pids,
  twoRounds,
  untilHalted,
  untilRuns,
  untilShown,
  withFleet,
} from "./scenario.ts";

const RUN_MS = 40_000;
const IDS = Array.from({ length: 8 }, (_, index) => `af-${index}`);
/** It ends by itself, later than a start is confirmed. */
const ENDS = "/bin/sleep 3";

const kafka = kafkaOfFile();

/** The argument of each worker, which is all that tells two specs apart. */
const programs = (fleet: FleetBed): Promise<readonly string[]> =>
  Promise.all(
    pids(fleet).map(async (pid) => {
      const words = await Bun.file(`/proc/${pid}/cmdline`).text();
      return words.split("\0")[1] ?? "";
    }),
  ).catch(() => []);

const countOf = async (fleet: FleetBed, argument: string) =>
  (await programs(fleet)).filter((each) => each === argument).length;

/** Stopped for another spec, by id, in order. */
const replaced = async (): Promise<readonly string[]> =>
  (await auditOf(kafka)).flatMap(({ action, phase, reason, client_id: id, result }) =>
    action === "stop" && phase === "outcome" && result === "stopped" && /^spec-/u.test(reason)
      ? [id ?? ""]
      : [],
  );

test(
  "a changed WORKER_COMMAND replaces one, then more and more; a stale cluster's only when it beats",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const quiet = "af-quiet";
        const first = await fleet.start();
        await first.leads();
        await Promise.all([...IDS, quiet].map((id) => sender.register(id)));
        const stopBeating = sender.beating(() => IDS);
        await untilRuns(fleet, [...IDS, quiet]);
        for (const id of IDS) await untilShown(first, id, { state: "active" });
        await untilShown(first, quiet, { state: "stale" });
        await first.process.stop();
        const second = await fleet.start({ WORKER_COMMAND: "/bin/sleep 2000000" });
        await second.leads();
        const count = () => countOf(fleet, "2000000");
        await until("all but the quiet one", async () => (await count()) === IDS.length, {
          deadlineMs: RUN_MS,
        });
        await twoRounds(second);
        expect(await count()).toBe(IDS.length);
        await sender.beat(quiet);
        await until("the quiet one, too", async () => (await count()) === IDS.length + 1, {
          deadlineMs: RUN_MS,
        });
        await stopBeating();
        const times = (await auditOf(kafka)).flatMap(({ action, phase, reason, at }) =>
          action === "stop" && phase === "intent" && reason.startsWith("spec-changed")
            ? [Date.parse(at)]
            : [],
        );
        // One; when it has run for a second, two; and when these have, the rest of four.
        const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
        expect(pauses[0]).toBeGreaterThanOrEqual(1_000);
        expect(pauses[2]).toBeGreaterThanOrEqual(1_000);
        expect(await second.metric("outrider_rollout_halted")).toBe(0);
      },
      { CLEANUP_TIMEOUT: "60s" },
    ),
  LIMIT_MS,
);

test(
  "a command that ends after 3 s halts its rollout at one worker, under the next leader, too",
  () =>
    withFleet(
      kafka,
      async ({ fleet, sender }) => {
        const first = await fleet.start();
        await first.leads();
        await Promise.all(IDS.map((id) => sender.register(id)));
        const stopBeating = sender.beating(() => [...IDS, "af-new"]);
        await untilRuns(fleet, IDS);
        for (const id of IDS) await untilShown(first, id, { state: "active" });
        await first.process.stop();
        let plane = await fleet.start({ WORKER_COMMAND: ENDS });
        await plane.leads();
        await untilHalted(plane, "exited (0)");
        expect(await plane.metric("outrider_rollout_halted")).toBe(1);
        expect(await countOf(fleet, "1000000")).toBe(IDS.length - 1);
        plane.process.kill("SIGKILL");
        plane = await fleet.start({ WORKER_COMMAND: ENDS });
        await plane.leads();
        const detail = await untilHalted(plane, "exited (0)");
        const [at = ""] = await replaced();
        expect(detail).toContain(`rollout halted: ${at} with spec `);
        expect(await replaced()).toEqual([at]);
        expect(await countOf(fleet, "1000000")).toBe(IDS.length - 1);
        // A new cluster starts all the same.
        await sender.register("af-new");
        await until(
          "its first start",
          async () => (await plane.cluster("af-new"))?.worker !== null,
          {
            deadlineMs: RUN_MS,
          },
        );
        await plane.process.stop();
        plane = await fleet.start({ WORKER_COMMAND: "/bin/sleep 2000000" });
        await plane.leads();
        await until(
          "the good spec everywhere",
          async () => (await countOf(fleet, "2000000")) === IDS.length + 1,
          { deadlineMs: 2 * RUN_MS },
        );
        expect(await plane.metric("outrider_rollout_halted")).toBe(0);
        expect(plane.process.output()).not.toContain("rollout halted");
        await stopBeating();
      },
      { WORKER_MIN_READY: "5s" },
    ),
  2 * LIMIT_MS,
);

test(
  "a program that is not there stops nobody",
  () =>
    withFleet(kafka, async ({ fleet, sender }) => {
      const ids = IDS.slice(0, 3);
      const first = await fleet.start();
      await first.leads();
      await Promise.all(ids.map((id) => sender.register(id)));
      const stopBeating = sender.beating(() => ids);
      await untilRuns(fleet, ids);
      for (const id of ids) await untilShown(first, id, { state: "active" });
      await first.process.stop();
      const before = pids(fleet);
      const plane = await fleet.start({ WORKER_COMMAND: "/no/such/program" });
      await plane.leads();
      await untilHalted(plane, "/no/such/program cannot be executed");
      await twoRounds(plane);
      expect(pids(fleet)).toEqual(before);
      expect(await replaced()).toEqual([]);
      await stopBeating();
    }),
  LIMIT_MS,
);
