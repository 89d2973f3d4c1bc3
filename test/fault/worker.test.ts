import { expect, test } from "bun:test";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { openGroups } from "./groups.ts";
import { say } from "./say.ts";
import { allIn, beatsGoOn, CLEANED_MS, oneEach, onStage, SOON_MS } from "./stage.ts";

/** An ignored signal stays ignored over `exec`. */
const DEAF_WORKER = "/bin/sh -c 'trap \"\" TERM; exec /bin/sleep 1000000'";
/** The process runtime's grace, and what a busy machine adds. */
const KILLED_MS = 30_000;

test("workers that ignore SIGTERM or are stopped are ended, without holding up others", async () => {
  await onStage({ env: { WORKER_COMMAND: DEAF_WORKER } }, async (stage) => {
    const { kafka, lead, pids, settled, sender, beats, atEnd } = stage;
    const groups = openGroups(kafka.bootstrap);
    atEnd(groups.close);
    const plane = await lead();
    const ids = ["deaf", "stopped", "silent", "stays", "stays-too", "stays-three"];
    await settled(plane, ids);
    const before = pids();
    for (const id of ["deaf", "stopped"]) await groups.commit(id, 3);
    for (const pid of pids()["stopped"] ?? []) process.kill(pid, "SIGSTOP");
    const askedMs = performance.now();
    await sender.withdraw("deaf");
    await sender.withdraw("stopped");
    beats.off("silent");
    // While two stops wait for their grace, a new cluster gets its worker.
    await sender.register("new");
    beats.on("new");
    await until("the new one's worker", () => pids()["new"]?.length === 1, { deadlineMs: 5_000 });
    expect(pids()["deaf"]).toEqual(before["deaf"] ?? []);
    say(`a start took ${Math.round(performance.now() - askedMs)} ms beside two slow stops`);
    const left = ["stays", "stays-too", "stays-three", "new"];
    await until("the end of three", () => oneEach(pids(), left), {
      deadlineMs: CLEANED_MS + KILLED_MS,
    });
    await until(
      "both withdrawals to be done",
      async () =>
        (await plane.cluster("deaf"))?.withdrawal === "done" &&
        (await plane.cluster("stopped"))?.withdrawal === "done",
      { deadlineMs: SOON_MS },
    );
    expect(await groups.committed("deaf")).toBeUndefined();
    expect(await groups.committed("stopped")).toBeUndefined();
    expect(await allIn(plane, ["silent"], "dead")).toBe(true);
    for (const id of left.slice(0, 3)) expect(pids()[id]).toEqual(before[id] ?? []);
  });
}, 150_000);

test("while the workers cannot be listed, none is started or stopped", async () => {
  await onStage({}, async ({ fleet, lead, pids, settled, sender, beats }) => {
    const plane = await lead();
    await settled(plane, ["one", "two", "three", "four"]);
    const before = pids();
    const workers = join(fleet.stateDir, "workers");
    await rename(workers, `${workers}.away`);
    const rounds = await plane.metric("outrider_round_seconds_count");
    await sender.withdraw("one");
    beats.off("two");
    await sender.register("five");
    beats.on("five");
    // It has read all of it, and the silent one's time is long over.
    await until(
      "the silent one's deadline",
      async () => ((await plane.cluster("two"))?.age_seconds ?? 0) > 12,
      { deadlineMs: CLEANED_MS },
    );
    expect((await plane.cluster("one"))?.withdrawal).toBe("pending");
    expect(await plane.cluster("five")).toBeDefined();
    expect(await plane.metric("outrider_round_seconds_count")).toBeGreaterThan(rounds);
    expect(pids()).toEqual(before);
    const { detail } = await plane.health();
    expect(detail).toContain("cannot be listed");
    await rename(`${workers}.away`, workers);
    await until("all of it to be done", () => oneEach(pids(), ["three", "four", "five"]), {
      deadlineMs: CLEANED_MS,
    });
    await beatsGoOn(plane, 4);
    for (const id of ["three", "four"]) expect(pids()[id]).toEqual(before[id] ?? []);
  });
}, 120_000);
