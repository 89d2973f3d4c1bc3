import { expect, test } from "bun:test";
import { binaries } from "../bed/binaries.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { freePort } from "../bed/port.ts";
import { type BedProcess, startProcess } from "../bed/process.ts";
import { type CutPath, openCutPath } from "./cut-path.ts";
import { say } from "./say.ts";
import {
  allIn,
  CLEANED_MS,
  CLEANUP_TIMEOUT_MS,
  confirmed,
  oneEach,
  onStage,
  SOON_MS,
  type Stage,
} from "./stage.ts";

const AGENTS = 10;
const HOLDS = "outrider_brake_holds";
const names = Array.from({ length: AGENTS }, (_, index) => `af-${index}`);

test.concurrent("the brake holds before the first stop while the agents' path is cut", async () => {
  await onStage({}, async (stage) => {
    const { kafka, fleet, sender, lead, pids, atEnd } = stage;
    const path = await openCutPath(kafka);
    atEnd(path.close);
    const plane = await lead();
    await Promise.all(names.map((id) => sender.register(id)));
    const agents = await startAgents(path, names);
    atEnd(async () => {
      await Promise.all([...agents.values()].map((each) => each.stop(0)));
    });
    await until("all to be active", () => allIn(plane, names, "active"), { deadlineMs: SOON_MS });
    await until("a worker for each", () => oneEach(pids(), names), { deadlineMs: SOON_MS });
    await confirmed(plane, names.length);
    const before = pids();

    await cutForTwoTimeouts(stage, plane, path);
    expect(pids()).toEqual(before);
    // A tombstone is somebody's word: never held.
    await sender.withdraw("af-9");
    await until("the withdrawn one's end", () => oneEach(pids(), names.slice(0, 9)), {
      deadlineMs: SOON_MS,
    });
    await agents.get("af-9")?.stop(0);

    const mendedMs = performance.now();
    path.mend();
    const left = names.slice(0, 9);
    await until("beats to return", () => allIn(plane, left, "active"), { deadlineMs: CLEANED_MS });
    say(
      `all active again ${Math.round(performance.now() - mendedMs)} ms after the path was mended`,
    );
    await until("the brake to let go", async () => (await plane.metric(HOLDS)) === 0, {
      deadlineMs: SOON_MS,
    });
    for (const id of left) expect(pids()[id]).toEqual(before[id] ?? []);

    // Two of nine are taken at their word.
    for (const id of ["af-0", "af-1"]) await agents.get(id)?.stop(0);
    await until("their clean-up", () => oneEach(pids(), names.slice(2, 9)), {
      deadlineMs: CLEANED_MS,
    });
    expect(await allIn(plane, ["af-0", "af-1"], "dead")).toBe(true);

    // Three more of seven are not, until an operator says so; one that beats again is protected.
    const gone = ["af-2", "af-3", "af-4"];
    for (const id of gone) await agents.get(id)?.stop(0);
    await held(plane, gone);
    expect(oneEach(pids(), names.slice(2, 9))).toBe(true);
    const [back = ""] = gone;
    const released = await fleet.run(["release-brake", "--yes"]);
    expect(released).toMatchObject({ code: 0 });
    say(
      `release-brake: ${released.output
        .trim()
        .split("\n")
        .findLast((line) => line.startsWith("released"))}`,
    );
    await until("only the living", () => oneEach(pids(), names.slice(5, 9)), {
      deadlineMs: CLEANED_MS,
    });
    await sender.beat(back);
    await until("it to come back", () => pids()[back]?.length === 1, { deadlineMs: SOON_MS });
  });
}, 240_000);

test.concurrent("release-brake lets go those still silent and not one that beats again", async () => {
  await onStage({ env: { CLEANUP_TIMEOUT: "10s" } }, async (stage) => {
    const { fleet, beats, lead, pids, settled } = stage;
    const plane = await lead();
    const ids = names.slice(0, 6);
    await settled(plane, ids);
    const before = pids();
    for (const id of ids.slice(0, 4)) beats.off(id);
    await until("stale ones", () => allIn(plane, ids.slice(0, 4), "stale"), {
      deadlineMs: SOON_MS,
    });
    await until("the brake", async () => (await plane.metric(HOLDS)) === 1, {
      deadlineMs: SOON_MS,
    });
    // Released while only stale: they die at their own deadline, but for the one that returns.
    const released = await fleet.run(["release-brake", "--yes"]);
    expect(released).toMatchObject({ code: 0 });
    expect(released.output).toContain("4 of 4 released");
    beats.on("af-0");
    await until("the end of three", () => oneEach(pids(), ["af-0", "af-4", "af-5"]), {
      deadlineMs: CLEANED_MS,
    });
    expect(pids()["af-0"]).toEqual(before["af-0"] ?? []);
  });
}, 120_000);

async function startAgents(
  path: CutPath,
  ids: readonly string[],
): Promise<ReadonlyMap<string, BedProcess>> {
  const { agent } = await binaries();
  const agents = new Map<string, BedProcess>();
  for (const id of ids) {
    const env = {
      KAFKA_BROKERS: path.bootstrap,
      CLIENT_ID: id,
      HEARTBEAT_INTERVAL: "1s",
      PORT: String(await freePort()),
      LOG_FORMAT: "text",
      PATH: "/usr/bin:/bin",
      HOME: "/tmp",
    };
    agents.set(id, startProcess({ name: id, command: [agent, "heartbeat"], env }));
  }
  return agents;
}

/** All are silent for two CLEANUP_TIMEOUTs of observed time, and all are held. */
async function cutForTwoTimeouts(
  { pids }: Stage,
  plane: ControlPlane,
  path: CutPath,
): Promise<void> {
  const before = pids();
  path.cut();
  const seconds = (2 * CLEANUP_TIMEOUT_MS) / 1000;
  await until(
    "two timeouts of observed silence",
    async () => {
      expect(pids()).toEqual(before);
      const ages = (await plane.clusters()).map(({ age_seconds: age }) => age ?? 0);
      return Math.min(...ages) > seconds;
    },
    { deadlineMs: 3 * CLEANUP_TIMEOUT_MS + SOON_MS },
  );
  await held(plane, names);
}

async function held(plane: ControlPlane, ids: readonly string[]): Promise<void> {
  await until(
    "the brake to hold them",
    async () => {
      expect(await plane.metric(HOLDS)).toBe(1);
      const seen = (await plane.clusters()).filter(({ client_id: id }) => ids.includes(id));
      return seen.every(({ held: by }) => by === "brake");
    },
    { deadlineMs: CLEANED_MS },
  );
}
