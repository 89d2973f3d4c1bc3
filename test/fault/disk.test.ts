import { expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../bed/condition.ts";
import { say } from "./say.ts";
import { CLEANED_MS, oneEach, onStage, SOON_MS } from "./stage.ts";

const SIZE = "512k";
const isRoot = process.getuid?.() === 0;
if (!isRoot) say("SKIPPED, it must be root to mount a tmpfs: a full disk for the process runtime");

test.skipIf(!isRoot)(
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
