import { expect, test } from "bun:test";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { createDriver, type Driver, KEPT_COMMITTED } from "./driver.ts";
import { type Groups, openGroups } from "./groups.ts";
import { faultsOf, readHistory } from "./history.ts";
import { type Chance, chance } from "./random.ts";
import { say } from "./say.ts";
import { faultSettings } from "./settings.ts";
import { allIn, CLEANED_MS, oneEach, onStage, SOON_MS, type Stage } from "./stage.ts";
import { watchFleet } from "./watch.ts";

const { kills, seed } = faultSettings();
const KILL_MS_MAX = 20_000;
const SETTLE_MS = 2 * CLEANED_MS;

/** When to kill: how long after the start, or after it has begun to lead. */
type TimeReading = { readonly name: string; readonly leading: boolean; readonly afterMs: number };

function randomMoment(by: Chance): TimeReading {
  const dice = by.next();
  if (dice < 0.15) return { name: "boot", leading: false, afterMs: by.between(0, 1_000) };
  if (dice < 0.4) return { name: "promotion", leading: false, afterMs: by.between(1_500, 4_500) };
  if (dice < 0.8) return { name: "first acts", leading: true, afterMs: by.between(0, 1_800) };
  return { name: "at work", leading: true, afterMs: by.between(1_800, 12_000) };
}

test.concurrent(
  `exactly the right workers run after ${kills} times kill -9 at random moments`,
  async () => {
    say(`OUTRIDER_SEED=${seed} OUTRIDER_KILLS=${kills}`);
    const done: string[] = [];
    try {
      await onStage({}, (stage) => killed(stage, done));
    } catch (error) {
      say(`failed with OUTRIDER_SEED=${seed}; what was done:\n${done.slice(-150).join("\n")}`);
      throw error;
    }
  },
  120_000 + (kills + 1) * KILL_MS_MAX,
);

async function killed(stage: Stage, done: string[]): Promise<void> {
  const { fleet, sender, beats, atEnd, kafka, start, lead, pids } = stage;
  const groups = openGroups(kafka.bootstrap);
  atEnd(groups.close);
  const byOps = chance(seed);
  const byKills = chance(seed + 1);
  const driver = createDriver({ sender, beats, groups, chance: byOps });
  // The first control plane makes the topics.
  let plane = await lead();
  await driver.begin();
  await until("the steady ones", () => driver.steady.every((id) => pids()[id]?.length === 1), {
    deadlineMs: SOON_MS,
  });
  const steady = driver.steady.map((id) => pids()[id]);
  const watch = watchFleet(fleet);
  atEnd(watch.close);
  const drive = driveOn(driver, byOps, done);
  for (let kill = 1; kill <= kills; kill += 1) {
    const readTime = randomMoment(byKills);
    const led = await momentCame(plane, readTime);
    plane.process.kill("SIGKILL");
    done.push(`-- kill ${kill}: ${readTime.name}, ${Math.round(readTime.afterMs)} ms, led: ${led}`);
    await plane.process.exited;
    plane = await start();
  }
  await drive.stop();
  const endedMs = performance.now();
  await plane.leads(60_000);
  const wanted = driver.wanted();
  say(`${done.length - kills} operations; wanted: ${JSON.stringify(wanted)}`);
  await until("exactly the right workers", () => oneEach(pids(), wanted.live), {
    deadlineMs: SETTLE_MS,
  });
  await statesAre(plane, wanted);
  say(`settled ${Math.round(performance.now() - endedMs)} ms after the last operation`);
  await groupsAre(groups, wanted, driver.kept);
  expect(driver.steady.map((id) => pids()[id])).toEqual(steady);
  const history = await readHistory(kafka.bootstrap);
  say(`${history.audits.length} audit records, ${history.epochs.length} epochs`);
  expect(faultsOf(history)).toEqual([]);
  expect(forbidden(history, driver)).toEqual([]);
  expect(oneEach(pids(), wanted.live)).toBe(true);
  expect(watch.wrong()).toEqual([]);
  say(`no cluster had two processes in ${watch.samples()} samples`);
}

async function momentCame(
  plane: ControlPlane,
  { leading, afterMs }: TimeReading,
): Promise<boolean> {
  if (leading) await plane.leads(60_000);
  await Bun.sleep(afterMs);
  const health = await plane.health().catch(() => undefined);
  return health?.role === "leader";
}

/** Operations all the while, in bursts and pauses. */
function driveOn(driver: Driver, by: Chance, done: string[]): { stop: () => Promise<void> } {
  let stopped = false;
  const loop = async (): Promise<void> => {
    while (!stopped) {
      const burst = Math.floor(by.between(1, 6));
      for (let each = 0; each < burst && !stopped; each += 1) done.push(await driver.step());
      await Bun.sleep(by.between(0, 800));
    }
  };
  const ended = loop();
  return {
    stop: async () => {
      stopped = true;
      await ended;
    },
  };
}

async function statesAre(plane: ControlPlane, wanted: ReturnType<Driver["wanted"]>): Promise<void> {
  await until(
    "the API to say so",
    async () => {
      const seen = new Map((await plane.clusters()).map((one) => [one.client_id, one]));
      const wrong = [
        ...wanted.live.filter((id) => seen.get(id)?.state !== "active"),
        ...wanted.dead.filter((id) => seen.get(id)?.state !== "dead"),
        ...wanted.withdrawn.filter((id) => seen.get(id)?.withdrawal !== "done"),
      ];
      if (wrong.length === 0) return true;
      throw new Error(wrong.map((id) => JSON.stringify(seen.get(id))).join("\n"));
    },
    { deadlineMs: SETTLE_MS },
  );
}

async function groupsAre(
  groups: Groups,
  wanted: ReturnType<Driver["wanted"]>,
  kept: readonly string[],
): Promise<void> {
  for (const id of kept) expect([id, await groups.committed(id)]).toEqual([id, KEPT_COMMITTED]);
  for (const id of wanted.withdrawn) {
    expect([id, await groups.committed(id)]).toEqual([id, undefined]);
  }
}

/** Acts that no operation asked for. */
function forbidden(
  { audits }: Awaited<ReturnType<typeof readHistory>>,
  driver: Driver,
): readonly string[] {
  return audits
    .filter(({ action, client_id: id }) => {
      if (id === null) return false;
      if (action === "delete-group") return !driver.everWithdrawn().has(id);
      return action === "stop" && driver.steady.includes(id);
    })
    .map((audit) => JSON.stringify(audit));
}

/** A worker that was killed leaves its session in the group for its timeout. */
const GROUP_MS = 60_000;
/** From the tombstone's read over the stop to the group's deletion. */
const KILL_WITHIN_MS = 300;
const KILLS = 3;

test.concurrent("kill -9 around the end of real workers: withdrawn groups go, dead ones' offsets stay", async () => {
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
