/** A fleet of real agents and real workers, and the faults of a day in its life, each of which leaves it whole. */
import { expect } from "bun:test";
import { CLUSTER_INFO, HEARTBEAT, STATUS } from "../../shared/protocol/topic.ts";
import type { CompiledAgent } from "../agent/compiled.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import type { BedProcess } from "../bed/process.ts";
import { untilHalted } from "../system/scenario.ts";
import { readHistory } from "./history.ts";
import { oneEach, passed, type Stage } from "./stage.ts";

/** For what follows within a term, on a busy machine. */
const SOON_MS = 60_000;
/** A fleet's worth of starts, new registrations after a rebuilt Kafka, or a whole rollout. */
const ALL_MS = 150_000;
/** Longer than kafkajs's own patience. */
const OUTAGE_MS = 12_000;
/** It ends by itself, later than a start is confirmed: a release that does not work. */
const BROKEN_WORKER = "/bin/sleep 3";

export type Stop = { readonly clientId: string; readonly reason: string };

export type Day = {
  readonly stage: Stage;
  readonly agent: CompiledAgent;
  readonly clientIds: readonly string[];
  readonly agents: ReadonlyMap<string, BedProcess>;
  readonly plane: () => ControlPlane;
  /** Ends the control plane in order, and starts another one, with this environment beside its own. */
  readonly restart: (env?: Readonly<Record<string, string>>) => Promise<ControlPlane>;
  /** Who is next; each fault takes another cluster. */
  readonly next: () => string;
  /** Clusters that were dead for a while: their workers may have been stopped for that. */
  readonly wereDead: Set<string>;
  /** Workers that may have been stopped for another spec: one a bad release, and its return. */
  readonly allowance: { replaced: number };
  /** What was stopped before Kafka, and with it the audit, was rebuilt. */
  readonly stops: Stop[];
};

export const agentEnv = (clientId: string, bootstrap: string) => ({
  CLIENT_ID: clientId,
  KAFKA_BROKERS: bootstrap,
  HEARTBEAT_INTERVAL: "1s",
  PORT: "0",
  LOG_FORMAT: "text",
});

export async function stopsOf(bootstrap: string): Promise<readonly Stop[]> {
  const { audits } = await readHistory(bootstrap);
  return audits.flatMap(({ action, phase, client_id: clientId, reason }) =>
    action === "stop" && phase === "intent" && clientId !== null ? [{ clientId, reason }] : [],
  );
}

/** Every cluster is active and has its one worker. */
export async function whole({ stage, clientIds, plane }: Day): Promise<void> {
  await until("one worker for each cluster", () => oneEach(stage.pids(), clientIds), {
    deadlineMs: ALL_MS,
  });
  await until(
    "all to be active, and all workers to run",
    async () => {
      const { status, detail } = await plane().health();
      if (status !== "healthy") throw new Error(detail);
      const seen = new Map((await plane().clusters()).map((each) => [each.client_id, each]));
      const wrong = clientIds
        .map((id) => seen.get(id))
        .filter((each) => each?.state !== "active" || each.worker?.state !== "running");
      if (wrong.length > 0) throw new Error(JSON.stringify(wrong.slice(0, 3)));
      return true;
    },
    { deadlineMs: ALL_MS },
  );
}

/** A topic of ours is deleted: it is made again, by whoever leads, and nobody is stopped. */
const topicDeleted =
  (topic: string) =>
  async ({ stage }: Day): Promise<void> => {
    const { tools } = stage.kafka;
    const before = stage.pids();
    await tools.deleteTopic(topic);
    await until(
      `${topic} to be made again`,
      async () => (await tools.listTopics()).includes(topic),
      {
        deadlineMs: SOON_MS,
      },
    );
    expect(stage.pids()).toEqual(before);
  };

/** Kafka is rebuilt empty: the agents register again, and nobody is stopped meanwhile. */
async function kafkaRebuilt({ stage, stops }: Day): Promise<void> {
  const before = stage.pids();
  stops.push(...(await stopsOf(stage.kafka.bootstrap)));
  await stage.kafka.rebuild();
  expect(stage.pids()).toEqual(before);
}

/** Somebody starts a control plane of another fleet on the same topics: it is refused. */
async function otherFleet({ stage, plane }: Day): Promise<void> {
  const { epoch } = await plane().health();
  const other = await stage.start({ FLEET: "another" });
  expect((await other.process.exited).code).toBe(64);
  expect((await plane().health()).epoch).toBe(epoch);
}

async function kafkaAway({ stage }: Day): Promise<void> {
  const before = stage.pids();
  await stage.kafka.broker(0).kill("SIGKILL");
  await passed(performance.now(), OUTAGE_MS);
  expect(stage.pids()).toEqual(before);
  await stage.kafka.broker(0).start();
}

/** A release whose worker does not work is halted after one cluster; the one before it is put back. */
async function badRelease(day: Day): Promise<void> {
  const broken = await day.restart({ WORKER_COMMAND: BROKEN_WORKER, WORKER_MIN_READY: "20s" });
  await untilHalted(broken, "day-");
  day.allowance.replaced += 2;
  await day.restart();
}

/** A cloned host beats under a living cluster's id and withdraws it: refused. */
async function cloned({ agent, plane, next, stage }: Day): Promise<void> {
  const clientId = next();
  const env = agentEnv(clientId, stage.kafka.bootstrap);
  const clone = agent.start(["heartbeat"], env);
  const conflicts = (count: number) =>
    until(
      `${count} conflicts`,
      async () => (await plane().metric("outrider_identity_conflicts")) === count,
      { deadlineMs: SOON_MS },
    );
  await conflicts(1);
  const ended = await agent.run(["deregister", "--wait", "30s"], env);
  expect([ended.code, ended.text]).toEqual([77, expect.stringContaining(clientId)]);
  await clone.stop(0);
  await conflicts(0);
}

/** A cluster is away for so long that Kafka lets its group expire: it goes on where it was. */
async function longAway({ stage, agents, plane, next, wereDead }: Day): Promise<void> {
  const clientId = next();
  wereDead.add(clientId);
  const group = `kg-builder-${clientId}`;
  const process = agents.get(clientId);
  process?.kill("SIGSTOP");
  try {
    await until(
      `${clientId} to be dead, without a worker`,
      async () => {
        const seen = await plane().cluster(clientId);
        if (seen?.state === "dead" && stage.pids()[clientId] === undefined) return true;
        throw new Error(JSON.stringify(seen));
      },
      { deadlineMs: ALL_MS },
    );
    await until("its group to be deleted", () => deleted(stage, group), { deadlineMs: SOON_MS });
  } finally {
    process?.kill("SIGCONT");
  }
}

/** As Kafka does it after `offsets.retention.minutes`. A worker that was killed leaves its session first. */
async function deleted({ kafka }: Stage, group: string): Promise<boolean> {
  await kafka.tools.deleteGroup(group);
  return !(await kafka.tools.listGroups()).includes(group);
}

export const FAULTS: Readonly<Record<string, (day: Day) => Promise<void>>> = {
  "the ledger is deleted": topicDeleted(STATUS),
  "the heartbeats are deleted": topicDeleted(HEARTBEAT),
  "Kafka is rebuilt empty": kafkaRebuilt,
  "another fleet starts": otherFleet,
  "Kafka is away": kafkaAway,
  "a release does not work": badRelease,
  "a host is cloned": cloned,
  "a cluster is away for long": longAway,
};

/** Records of each cluster, so many as `count`, and all of them read by its worker. */
export async function readByAll({ stage, clientIds, plane }: Day, count: number): Promise<void> {
  const records = clientIds.flatMap((id) =>
    Array.from({ length: count }, (_, index) => ({ key: `${id}/pod/${index}`, value: "{}" })),
  );
  await stage.kafka.tools.produce(CLUSTER_INFO, records);
  for (const id of clientIds) {
    await until(
      `the records of ${id} to be read`,
      async () => {
        const lag = (await plane().cluster(id))?.lag;
        if (lag?.records === 0) return true;
        throw new Error(JSON.stringify(lag));
      },
      { deadlineMs: ALL_MS },
    );
  }
}
