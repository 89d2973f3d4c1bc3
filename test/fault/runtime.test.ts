import { expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rename, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { openGroups } from "./groups.ts";
import { say } from "./say.ts";
import { allIn, beatsGoOn, CLEANED_MS, oneEach, onStage, SOON_MS } from "./stage.ts";

/** An ignored signal stays ignored over `exec`. */
const DEAF_WORKER = "/bin/sh -c 'trap \"\" TERM; exec /bin/sleep 1000000'";
/** The process runtime's grace, and what a busy machine adds. */
const KILLED_MS = 30_000;

test.concurrent("workers that ignore SIGTERM or are stopped are ended, without holding up others", async () => {
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

test.concurrent("while the workers cannot be listed, none is started or stopped", async () => {
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

const SIZE = "512k";
const isRoot = process.getuid?.() === 0;
if (!isRoot) say("SKIPPED, it must be root to mount a tmpfs: a full disk for the process runtime");

test.concurrent.skipIf(!isRoot)(
  "a full disk lets starts fail with a reason, and leaves nothing half-started",
  async () => {
    const dir = await mkdtemp(join(tmpdir(), "outrider-disk-"));
    mount("mount", "-t", "tmpfs", "-o", `size=${SIZE},mode=0700`, "tmpfs", dir);
    try {
      await onFullDisk(dir);
    } finally {
      mount("umount", "--lazy", dir);
      await rmdir(dir);
    }
  },
  120_000,
);

async function onFullDisk(dir: string): Promise<void> {
  const stateDir = join(dir, "state");
  await onStage(
    { env: { STATE_DIR: stateDir } },
    async ({ lead, pids, settled, sender, beats }) => {
      const plane = await lead();
      await settled(plane, ["one", "two", "three", "four"]);
      const before = pids();
      const filler = join(dir, "filler");
      fill(filler);
      for (const id of ["five", "six"]) {
        await sender.register(id);
        beats.on(id);
      }
      await until(
        "the error on the cluster",
        async () => (await plane.cluster("five"))?.error?.includes("ENOSPC"),
        { deadlineMs: SOON_MS },
      );
      say(`a start on a full disk: ${(await plane.cluster("five"))?.error}`);
      expect(await plane.metric('outrider_act_failures_total{action="start"}')).toBeGreaterThan(0);
      expect(pids()).toEqual(before);
      // Full as it is, a control plane that starts anew finds the same, and starts nobody twice.
      await plane.process.stop();
      const next = await lead();
      await until("tries", async () => (await next.cluster("six"))?.error, { deadlineMs: SOON_MS });
      expect(pids()).toEqual(before);
      // A tombstone is obeyed and a dead cluster cleaned up; what they free may serve a start.
      await sender.withdraw("one");
      beats.off("one");
      beats.off("two");
      await until("both ends", () => pids()["one"] === undefined && pids()["two"] === undefined, {
        deadlineMs: CLEANED_MS,
      });
      rmSync(filler);
      await until("its own recovery", () => oneEach(pids(), ["three", "four", "five", "six"]), {
        deadlineMs: 60_000,
      });
      expect(readdirSync(join(stateDir, "workers")).sort()).toEqual(
        ["five", "four", "six", "three"].map((id) => `kg-graph-builder-${id}.json`),
      );
      for (const id of ["three", "four"]) expect(pids()[id]).toEqual(before[id] ?? []);
      await until(
        "the errors to be gone",
        async () => (await next.clusters()).every(({ error }) => error === null),
        { deadlineMs: SOON_MS },
      );
    },
  );
}

/** Until not even one more byte, nor a file, fits. */
function fill(path: string): void {
  for (let bytes = 64 * 1024; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    for (;;) {
      try {
        writeFileSync(path, Buffer.alloc(bytes), { flag: "a" });
      } catch {
        break;
      }
    }
  }
  if (!existsSync(path)) throw new Error(`${path} was not written`);
}

function mount(...command: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...command]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}
