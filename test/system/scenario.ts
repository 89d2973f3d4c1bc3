/** One fleet for one test, on a Kafka whose topics are gone afterwards; and what tests look at. */
import kafkajs from "kafkajs";
import { type Audit, decodeAudit } from "../../shared/protocol/audit.ts";
import { AUDIT, HEARTBEAT } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";
import { type ControlPlane, type FleetBed, openFleet } from "../bed/control-plane.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import type { ConsumedRecord, ProducedRecord } from "../bed/kafka/records.ts";
import { openSender, type Sender } from "../bed/sender.ts";

export const LIMIT_MS = 120_000;
const FORGET_MS = 30_000;
const RUN_MS = 20_000;
const HALT_MS = 40_000;
/** The tick's interval that follows from the fixture's HEARTBEAT_TIMEOUT of 3 s. */
const TICK_MS = 250;

export type Scene = { readonly fleet: FleetBed; readonly sender: Sender };

/** Prints what the control planes printed when the test fails; leaves no topic behind. */
export async function withFleet(
  kafka: KafkaBed,
  scenario: (scene: Scene) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const fleet = await openFleet(kafka.bootstrap, env);
  const sender = openSender(kafka.bootstrap);
  try {
    await scenario({ fleet, sender });
  } catch (error) {
    process.stderr.write(`${fleet.outputs()}\n`);
    throw error;
  } finally {
    await sender.close();
    await fleet.close();
    await forget(kafka);
  }
}

export async function asAdmin<T>(
  kafka: KafkaBed,
  use: (admin: kafkajs.Admin) => Promise<T>,
): Promise<T> {
  const client = new kafkajs.Kafka({
    clientId: "test-admin",
    brokers: kafka.bootstrap.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = client.admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Deletes these topics (by default all of ours) and waits until they are gone. */
export async function forget(kafka: KafkaBed, only?: readonly string[]): Promise<void> {
  await asAdmin(kafka, async (admin) => {
    const present = async () =>
      (await admin.listTopics()).filter(
        (name) => only?.includes(name) ?? name.startsWith("cluster"),
      );
    const topics = await present();
    if (topics.length > 0) await admin.deleteTopics({ topics });
    await until("the topics to be gone", async () => (await present()).length === 0, {
      deadlineMs: FORGET_MS,
    });
  });
}

export async function makeTopic(
  kafka: KafkaBed,
  topic: string,
  config: Readonly<Record<string, string>> = {},
  partitions = 1,
): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await asAdmin(kafka, async (admin) => {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: partitions, configEntries }],
    });
    await until(`${topic} to have leaders`, () => admin.fetchTopicOffsets(topic), {
      deadlineMs: FORGET_MS,
    });
  });
}

/** Next offset per partition, by a client that is not ours. */
export async function endsOf(kafka: KafkaBed, topic: string): Promise<readonly number[]> {
  const offsets = await asAdmin(kafka, (admin) => admin.fetchTopicOffsets(topic));
  return offsets.toSorted((a, b) => a.partition - b.partition).map(({ high }) => Number(high));
}

/** Everything in a topic that is not compacted meanwhile, as the Java console consumer reads it. */
export async function recordsOf(
  kafka: KafkaBed,
  topic: string,
): Promise<readonly ConsumedRecord[]> {
  const count = (await endsOf(kafka, topic)).reduce((sum, end) => sum + end, 0);
  return count === 0 ? [] : await kafka.tools.consume(topic, { count });
}

export const clientIds = (fleet: FleetBed): readonly string[] =>
  fleet.workers().map(({ clientId }) => clientId);

export const pids = (fleet: FleetBed): readonly number[] => fleet.workers().map(({ pid }) => pid);

/** Waits until exactly these have one worker each. */
export async function untilRuns(
  fleet: FleetBed,
  expected: readonly string[],
  deadlineMs = RUN_MS,
): Promise<void> {
  const wanted = expected.toSorted().join();
  await until(
    `workers for exactly [${wanted}]`,
    () => {
      const seen = clientIds(fleet).toSorted().join();
      if (seen !== wanted) throw new Error(`[${seen}]`);
      return true;
    },
    { deadlineMs },
  );
}

/** Waits until the API shows these fields of a cluster. */
export async function untilShown(
  plane: ControlPlane,
  clientId: string,
  expected: Readonly<Record<string, unknown>>,
  deadlineMs = RUN_MS,
): Promise<void> {
  await until(
    `${clientId} to be ${JSON.stringify(expected)}`,
    async () => {
      const seen = await plane.cluster(clientId);
      const entries = new Map<string, unknown>(Object.entries(seen ?? {}));
      if (!Object.entries(expected).every(([name, value]) => entries.get(name) === value)) {
        throw new Error(JSON.stringify(seen));
      }
      return true;
    },
    { deadlineMs },
  );
}

/**
 * Waits until time is observed for this cluster. A partition of a topic that was just made may have no leader
 * at promotion: it is followed later, from its end, and no time is observed before.
 */
export async function untilObserved(plane: ControlPlane, clientId: string): Promise<void> {
  await until(
    "time to be observed",
    async () => ((await plane.cluster(clientId))?.age_seconds ?? 0) > 0,
    { deadlineMs: RUN_MS },
  );
}

/** Two more rounds of the leader than now: whatever was known has been planned. */
export async function twoRounds(plane: ControlPlane): Promise<void> {
  const rounds = () => plane.metric("outrider_round_seconds_count");
  const before = await rounds();
  await until("two more rounds", async () => (await rounds()) >= before + 2, {
    deadlineMs: RUN_MS,
  });
}

/** Waits until the leader has written ticks for so long: that much time can have been observed. */
export async function observed(kafka: KafkaBed, durationMs: number): Promise<void> {
  const ticks = async () => Math.min(...(await endsOf(kafka, HEARTBEAT)));
  const before = await ticks();
  await until(
    `${durationMs} ms of ticks`,
    async () => (await ticks()) >= before + durationMs / TICK_MS,
    { deadlineMs: 4 * durationMs + RUN_MS, intervalMs: 500 },
  );
}

/** kill -9, and its end. */
export async function killHard(plane: ControlPlane): Promise<void> {
  plane.process.kill("SIGKILL");
  await plane.process.exited;
}

export const registration = (
  clientId: string,
  more: Readonly<Record<string, unknown>> = {},
): ProducedRecord => ({
  key: clientId,
  value: JSON.stringify({
    client_id: clientId,
    cluster_name: `name of ${clientId}`,
    version: "1.0.0",
    registered_at: new Date().toISOString(),
    metadata: { namespace: "observability", release_name: "kg-agent" },
    ...more,
  }),
});

export const tombstone = (clientId: string): ProducedRecord => ({ key: clientId, value: null });

/** A beat of the original's: its clock may be wrong. */
export const beat = (clientId: string, clockOffByMs = 0): ProducedRecord => ({
  key: clientId,
  value: JSON.stringify({
    client_id: clientId,
    timestamp: new Date(Date.now() + clockOffByMs).toISOString(),
    status: "healthy",
    metrics: { resources_sent: 0, uptime_seconds: 60 },
  }),
});

/** The audit as the Java tool reads it, in order. */
export async function auditOf(kafka: KafkaBed): Promise<readonly Audit[]> {
  return (await recordsOf(kafka, AUDIT)).map(({ value }) => {
    const read = decodeAudit(Buffer.from(value ?? ""));
    if (!read.ok) throw new Error(read.error);
    return read.value;
  });
}

/** Waits until the API of a leader says that, with this text in the reason. */
export const untilHalted = (plane: ControlPlane, text: string) =>
  until(
    `the rollout to be halted: ${text}`,
    async () => {
      const { detail } = await plane.health();
      if (!detail.startsWith("rollout halted: ") || !detail.includes(text)) throw new Error(detail);
      return detail;
    },
    { deadlineMs: HALT_MS },
  );
