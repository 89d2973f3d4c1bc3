/** A day in the life of a fleet: real agents, real workers, every fault in a drawn order. */
import { expect, test } from "bun:test";
import { compileAgent } from "../agent/compiled.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import type { BedProcess } from "../bed/process.ts";
import { agentEnv, type Day, FAULTS, readByAll, stopsOf, whole } from "./day.ts";
import { chance } from "./random.ts";
import { say } from "./say.ts";
import { faultSettings } from "./settings.ts";
import { onStage, type Stage } from "./stage.ts";

const { dayClusters, seed } = faultSettings();
const RECORDS = 3;
const STOP_MS = 10_000;
const FAULT_MS = 120_000;

test(
  `${dayClusters} clusters through every fault in a drawn order: exactly the right workers, groups and offsets`,
  async () => {
    say(`OUTRIDER_SEED=${seed} OUTRIDER_DAY_CLUSTERS=${dayClusters}`);
    // Empty: this binary's own `ingest`, which joins kg-builder-<id> and commits what it has read.
    await onStage({ env: { WORKER_COMMAND: "" } }, (stage) => live(stage));
  },
  2 * FAULT_MS + Object.keys(FAULTS).length * FAULT_MS,
);

async function live(stage: Stage): Promise<void> {
  const agent = await compileAgent();
  const clientIds = Array.from({ length: dayClusters }, (_, index) => `day-${index}`);
  const agents = new Map<string, BedProcess>();
  stage.atEnd(async () => {
    await Promise.all([...agents.values()].map((each) => each.stop(STOP_MS)));
  });
  let plane = await stage.lead();
  for (const id of clientIds) {
    agents.set(id, agent.start(["run"], agentEnv(id, stage.kafka.bootstrap)));
  }
  let turn = 0;
  const day: Day = {
    ...{ stage, agent, clientIds, agents, wereDead: new Set<string>(), stops: [] },
    allowance: { replaced: 0 },
    plane: () => plane,
    next: () => {
      turn += 1;
      return clientIds[turn % clientIds.length] ?? "";
    },
    restart: async (env): Promise<ControlPlane> => {
      await plane.process.stop(STOP_MS);
      plane = await stage.lead(env);
      return plane;
    },
  };
  await whole(day);
  await readByAll(day, RECORDS);
  const by = chance(seed);
  const left = Object.entries(FAULTS);
  while (left.length > 0) {
    const [[name, fault] = ["", undefined]] = left.splice(
      Math.floor(by.between(0, left.length)),
      1,
    );
    const sinceMs = performance.now();
    try {
      await fault?.(day);
      await whole(day);
      await readByAll(day, RECORDS);
    } catch (error) {
      throw new Error(`after: ${name}`, { cause: error });
    }
    say(`${name}: whole again after ${Math.round(performance.now() - sinceMs)} ms`);
  }
  await judge(day);
}

async function judge(day: Day): Promise<void> {
  const { stage, clientIds, stops, wereDead, allowance } = day;
  const groups = (await stage.kafka.tools.listGroups()).filter((each) =>
    each.startsWith("kg-builder-"),
  );
  expect(groups.sort()).toEqual(clientIds.map((id) => `kg-builder-${id}`).sort());
  const all = [...stops, ...(await stopsOf(stage.kafka.bootstrap))];
  const replaced = all.filter(({ reason }) => reason.startsWith("spec-"));
  expect(replaced.length).toBeLessThanOrEqual(allowance.replaced);
  // What has ended by itself is removed before another is started: that stops nobody.
  const others = all.filter(({ reason }) => !/^(?:spec-|exited)/u.test(reason));
  expect(others.filter(({ clientId }) => !wereDead.has(clientId))).toEqual([]);
  expect(others.filter(({ reason }) => !reason.startsWith("dead"))).toEqual([]);
  say(`${all.length} stops: ${JSON.stringify(all)}`);
}
