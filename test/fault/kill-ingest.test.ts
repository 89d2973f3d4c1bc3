import { expect, test } from "bun:test";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { openGroups } from "./groups.ts";
import { faultsOf, readHistory } from "./history.ts";
import { chance } from "./random.ts";
import { say } from "./say.ts";
import { faultSettings } from "./settings.ts";
import { allIn, CLEANED_MS, oneEach, onStage, SOON_MS } from "./stage.ts";

const { seed } = faultSettings();
/** A worker that was killed leaves its session in the group for its timeout. */
const GROUP_MS = 60_000;
/** From the tombstone's read over the stop to the group's deletion. */
const KILL_WITHIN_MS = 300;
const KILLS = 3;

test("kill -9 around the end of real workers: withdrawn groups go, dead ones' offsets stay", async () => {
  say(`OUTRIDER_SEED=${seed}`);
  const by = chance(seed);
  // Empty: this binary's own `ingest`, which joins kg-builder-<id> and commits what it has read.
  await onStage({ env: { WORKER_COMMAND: "" } }, async (stage) => {
    const { kafka, sender, beats, start, lead, pids, settled, atEnd } = stage;
    const groups = openGroups(kafka.bootstrap);
    atEnd(groups.close);
    let plane = await lead();
    const gone = ["gone-0", "gone-1", "gone-2"];
    const ids = [...gone, "dead", "live-0", "live-1", "live-2"];
    await settled(plane, ids);
    for (const id of ids) await sender.send(CLUSTER_INFO, `${id}/pod/1`, "{}");
    // Which partition they lie in is the broker's and the partitioner's affair: one commit is enough.
    await until(
      "each group to have committed",
      async () => {
        for (const id of ids) {
          if ((await groups.committedSum(id)) === 0) throw new Error(`${id} has committed nothing`);
        }
        return true;
      },
      { deadlineMs: GROUP_MS },
    );
    beats.off("dead");
    for (let kill = 0; kill < KILLS; kill += 1) {
      const id = gone[kill] ?? "";
      beats.off(id);
      await sender.withdraw(id);
      const afterMs = by.between(0, KILL_WITHIN_MS);
      await Bun.sleep(afterMs);
      plane.process.kill("SIGKILL");
      await plane.process.exited;
      say(`killed ${Math.round(afterMs)} ms after the tombstone of ${id}`);
      plane = await start();
      await plane.leads(GROUP_MS);
    }
    const left = ["live-0", "live-1", "live-2"];
    await until("the right workers", () => oneEach(pids(), left), { deadlineMs: CLEANED_MS });
    await until(
      "all withdrawals to be done",
      async () => {
        for (const id of gone) {
          const seen = await plane.cluster(id);
          if (seen?.withdrawal !== "done") throw new Error(JSON.stringify(seen));
        }
        return true;
      },
      { deadlineMs: GROUP_MS },
    );
    const listed = await kafka.tools.listGroups();
    const wanted = ["dead", ...left].map((id) => `kg-builder-${id}`);
    expect(listed.filter((group) => group.startsWith("kg-builder-")).sort()).toEqual(wanted);
    expect(await groups.committedSum("dead")).toBeGreaterThan(0);
    expect(await allIn(plane, ["dead"], "dead")).toBe(true);
    expect(faultsOf(await readHistory(kafka.bootstrap))).toEqual([]);
    // The dead one returns, and its worker goes on where it was.
    const before = await groups.committedSum("dead");
    beats.on("dead");
    await until("its worker", () => oneEach(pids(), ["dead", ...left]), { deadlineMs: SOON_MS });
    expect(await groups.committedSum("dead")).toBeGreaterThanOrEqual(before);
  });
}, 240_000);
