/** The main job in steps: clusters register, beat, fall silent, return, and leave. */
import type { ClientId } from "../../shared/protocol/client-id.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import type { BedProcess } from "../bed/process.ts";
import { type Cast, TIMES } from "./cast.ts";
import { secondsText, type Telling } from "./tell.ts";

const SOON = { deadlineMs: 30_000, intervalMs: 20 };
const BEFORE = 300;
const MEANWHILE = 200;
const SPAWNED = "kg_control_plane_spawn_operations_total";

export type Clusters = {
  /** Stays well all the time. */
  readonly steady: ClientId;
  /** Its agent is killed, and comes back. */
  readonly silent: ClientId;
  /** Is withdrawn at the end. */
  readonly leaving: ClientId;
};

type Stage = {
  readonly cast: Cast;
  readonly clusters: Clusters;
  readonly tell: Telling;
  readonly monotonicMs: () => number;
};

/** Returns the control plane that leads at the end. */
export async function tellStory(stage: Stage): Promise<ControlPlane> {
  const { cast, tell } = stage;
  let plane: ControlPlane | undefined;
  await tell.step("the control plane starts", async () => {
    plane = await cast.fleet.start();
    await plane.leads();
    return `it leads, epoch ${(await plane.health()).epoch}; it runs workers as processes`;
  });
  if (plane === undefined) throw new Error("a step has not run");
  const agents = await registering(stage, plane);
  await collecting(stage);
  await fallingSilent(stage, plane, agents.silent);
  await returning(stage, plane);
  const second = await killingTheControlPlane(stage, plane);
  await leaving(stage, second, agents.leaving);
  return second;
}

type Agents = { readonly silent: BedProcess; readonly leaving: BedProcess };

async function registering(
  { cast, clusters, tell, monotonicMs }: Stage,
  plane: ControlPlane,
): Promise<Agents> {
  const { steady, silent, leaving } = clusters;
  const ids = [steady, silent, leaving];
  await tell.step("three clusters register (agent register --wait 30s)", async () => {
    const sinceMs = monotonicMs();
    const times = await Promise.all(
      ids.map(async (id) => {
        await cast.hook(id, ["register", "--wait", "30s"]);
        const pid = cast.workerOf(id)?.pid;
        if (pid === undefined) throw new Error(`${id} was confirmed, but its worker does not run`);
        return `${id} after ${secondsText(monotonicMs() - sinceMs)} (pid ${pid})`;
      }),
    );
    return `each has a worker\n${times.join(", ")}`;
  });
  const agents = {
    steady: cast.agent(steady, "heartbeat"),
    silent: cast.agent(silent, "heartbeat"),
    leaving: cast.agent(leaving, "run"),
  };
  await tell.step("their agents send heartbeats (agent heartbeat, agent run)", async () => {
    for (const id of ids) await stateIs(plane, id, "active");
    return "all three are active";
  });
  return agents;
}

async function collecting({ cast, clusters: { silent }, tell }: Stage): Promise<void> {
  await tell.step(`${silent} reports ${BEFORE} records to cluster-info`, async () => {
    const { partition, end } = await cast.collect(silent, 0, BEFORE);
    const committed = await committedPast(cast, silent, end);
    return `its worker has read them: offset ${committed} committed in partition ${partition}`;
  });
}

/** Stale first, then dead: the worker goes, what the group has committed stays. */
async function fallingSilent(
  { cast, clusters: { silent }, tell }: Stage,
  plane: ControlPlane,
  agent: BedProcess,
): Promise<void> {
  const before = await cast.committed(silent);
  await tell.step(`${silent}'s agent is killed (kill -9)`, async () => {
    agent.kill("SIGKILL");
    await agent.exited;
    await stateIs(plane, silent, "stale");
    if (cast.workerOf(silent) === undefined) throw new Error("a stale cluster lost its worker");
    return `stale, as HEARTBEAT_TIMEOUT is ${TIMES.HEARTBEAT_TIMEOUT}; its worker still runs`;
  });
  await tell.step("the silence goes on", async () => {
    await stateIs(plane, silent, "dead");
    await until("the worker's end", () => cast.workerOf(silent) === undefined, SOON);
    const after = await cast.committed(silent);
    if (after !== before) throw new Error(`committed was ${before} and is ${after}`);
    return `dead, as CLEANUP_TIMEOUT is ${TIMES.CLEANUP_TIMEOUT}: worker stopped, group kept at offset ${after}`;
  });
}

async function returning(
  { cast, clusters: { silent }, tell, monotonicMs }: Stage,
  plane: ControlPlane,
): Promise<void> {
  const before = await cast.committed(silent);
  if (before === undefined) throw new Error("nothing was committed");
  const { partition, end } = await cast.collect(silent, BEFORE, MEANWHILE);
  await tell.step(
    `${silent} returns, with ${MEANWHILE} records more (agent heartbeat)`,
    async () => {
      const sinceMs = monotonicMs();
      cast.agent(silent, "heartbeat");
      const worker = await until("a worker", () => cast.workerOf(silent), SOON);
      const took = secondsText(monotonicMs() - sinceMs);
      await stateIs(plane, silent, "active");
      const after = await committedPast(cast, silent, end);
      // The worker logs what it counted once the commit that was just seen has been answered.
      const countedAll = async () => {
        const counted = await cast.counted(silent);
        if (counted === MEANWHILE) return true;
        throw new Error(`it read ${counted} records, not ${MEANWHILE}`);
      };
      await until("the worker's count", countedAll, SOON);
      return [
        `its worker runs again after ${took} (pid ${worker.pid})`,
        `It went on at offset ${before} of partition ${partition}: ${MEANWHILE} records read, ${after} committed.`,
      ].join("\n");
    },
  );
}

/** Its successor must find every worker as it was, and start none. */
async function killingTheControlPlane(
  { cast, clusters, tell }: Stage,
  plane: ControlPlane,
): Promise<ControlPlane> {
  const ids = Object.values(clusters);
  const pids = () => cast.fleet.workers().map(({ pid, clientId }) => `${clientId} ${pid}`);
  const before = pids();
  let second: ControlPlane | undefined;
  await tell.step("the control plane is killed (kill -9) and started again", async () => {
    plane.process.kill("SIGKILL");
    await plane.process.exited;
    second = await cast.fleet.start();
    await second.leads();
    for (const id of ids) await hasBeaten(second, id);
    const known = (await second.clusters()).filter(({ state }) => state !== "withdrawn");
    const spawned = await second.metric(SPAWNED);
    if (pids().join() !== before.join())
      throw new Error(`workers: ${before} before, ${pids()} now`);
    if (spawned !== 0) throw new Error(`it started ${spawned} workers`);
    return [
      `it leads, epoch ${(await second.health()).epoch}: ${known.length} clusters known, 0 workers started`,
      `The same processes as before: ${before.join(", ")}.`,
    ].join("\n");
  });
  if (second === undefined) throw new Error("a step has not run");
  return second;
}

async function leaving(
  { cast, clusters: { leaving: id, steady, silent }, tell }: Stage,
  plane: ControlPlane,
  agent: BedProcess,
): Promise<void> {
  await tell.step(`${id} is withdrawn (agent deregister --wait 30s)`, async () => {
    await agent.stop();
    await cast.hook(id, ["deregister", "--wait", "30s"]);
    if (cast.workerOf(id) !== undefined) throw new Error("its worker still runs");
    const committed = await cast.committed(id);
    if (committed !== undefined) throw new Error(`its group is still there, at ${committed}`);
    for (const other of [steady, silent]) {
      if (cast.workerOf(other) === undefined) throw new Error(`${other} lost its worker`);
    }
    const { withdrawal, state } = (await plane.cluster(id)) ?? {};
    return `${state}, ${withdrawal}: worker and group are gone, the other two run on`;
  });
}

const stateIs = (plane: ControlPlane, id: ClientId, state: string): Promise<true> =>
  until(
    `${id} to be ${state}`,
    async () => {
      const cluster = await plane.cluster(id);
      if (cluster?.state === state) return true;
      throw new Error(`it is ${cluster?.state} (${cluster?.reason})`);
    },
    SOON,
  );

/** A leader knows only beats that it has read itself. */
const hasBeaten = (plane: ControlPlane, id: ClientId): Promise<true> =>
  until(
    `a heartbeat of ${id}`,
    async () => {
      const cluster = await plane.cluster(id);
      if (cluster?.state === "active" && cluster.last_heartbeat !== null) return true;
      throw new Error(`it is ${cluster?.state} (${cluster?.reason})`);
    },
    SOON,
  );

const committedPast = (cast: Cast, id: ClientId, offset: number): Promise<number> =>
  until(
    `offset ${offset} to be committed`,
    async () => {
      const committed = await cast.committed(id);
      if (committed !== undefined && committed >= offset) return committed;
      throw new Error(`committed is ${committed}`);
    },
    SOON,
  );
