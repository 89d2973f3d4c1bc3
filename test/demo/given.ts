/**
 * A Kafka that somebody else runs (KAFKA_BROKERS). The control plane of the demo looks after every
 * cluster in `cluster.registry`, so it must not meet a fleet that is in use: it would start workers
 * for it here.
 */
import { deleteGroup } from "../../shared/kafka/admin/groups.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import { endOffsets } from "../../shared/kafka/consumer/offsets.ts";
import { readToEnd } from "../../shared/kafka/consumer/read-until.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { type ClientId, groupOf } from "../../shared/protocol/client-id.ts";
import { decodeControl, encodeControl } from "../../shared/protocol/control.ts";
import { CONTROL, HEARTBEAT, REGISTRY, topicPlans } from "../../shared/protocol/topic.ts";
import { electionGroup } from "../../sidecar/control-plane/leader/identity.ts";
import { READ_CALL } from "../../sidecar/control-plane/operator/read-ledger.ts";
import { until } from "../bed/condition.ts";

const CALL = { deadlineMs: 10_000 };
const READ = { deadlineMs: 30_000 };
/** A leader writes a tick into each heartbeat partition every 2 s by default. */
const QUIET_MS = 2500;
const NAMES_SHOWN = 5;
/** A worker that was killed is a member of its group for 10 s more. */
const GROUP_GONE = { deadlineMs: 15_000, intervalMs: 500 };
const log = () => undefined;

/** What the demo will leave behind, in words. */
export function intentLines(ids: readonly ClientId[]): readonly string[] {
  const names = topicPlans(1).map(({ name }) => name);
  return [
    "KAFKA_BROKERS is set, so the demo uses that Kafka. It will write there:",
    `  topics, where absent (they stay): ${names.join(", ")}`,
    `  records and groups of the clusters ${ids.join(", ")} (withdrawn and deleted at the end)`,
  ];
}

/** Why the demo must not run there; undefined when it may. */
export async function refusal(client: KafkaClient): Promise<string | undefined> {
  const live = await registered(client);
  if (live.length > 0) {
    const names = live.slice(0, NAMES_SHOWN).join(", ");
    const more = live.length > NAMES_SHOWN ? ", …" : "";
    return `a fleet is registered there (${names}${more}); give the demo a Kafka without one`;
  }
  const before = await endsOf(client, HEARTBEAT);
  await Bun.sleep(QUIET_MS);
  const after = await endsOf(client, HEARTBEAT);
  const grows = [...after].some(([partition, end]) => end > (before.get(partition) ?? 0));
  if (!grows) return undefined;
  return `somebody writes to ${HEARTBEAT} there: a control plane or agents; give the demo a Kafka of its own`;
}

/** End of each partition; none where there is no such topic. @throws Error when Kafka can't be asked. */
async function endsOf(client: KafkaClient, topic: string): Promise<ReadonlyMap<number, number>> {
  const ends = await endOffsets(client, topic, CALL);
  if (ends.ok) return ends.value.offsets;
  if (ends.error.code === "unknown-topic") return new Map();
  throw new Error(ends.error.detail);
}

/** Keys of the registry whose last record is no tombstone. */
async function registered(client: KafkaClient): Promise<readonly string[]> {
  const ends = [...(await endsOf(client, REGISTRY))].filter(([, end]) => end > 0);
  if (ends.length === 0) return [];
  const open = new Set(ends.map(([partition]) => partition));
  const last = new Map<string, boolean>();
  const consumer = openConsumer({
    client,
    log,
    positions: ends.map(([partition]) => ({ topic: REGISTRY, partition, offset: 0 })),
    deliver: ({ partition, records, nextOffset, highWatermark }) => {
      for (const { key, value } of records) last.set(String(key), value !== null);
      if (nextOffset >= highWatermark) open.delete(partition);
    },
    problem: (problem) => {
      if (problem.kind !== "offset-out-of-range") return;
      consumer.add({ topic: REGISTRY, partition: problem.partition, offset: problem.startOffset });
    },
  });
  try {
    await until(`the end of ${REGISTRY}`, () => open.size === 0, READ);
  } finally {
    await consumer.close();
  }
  return [...last].filter(([, live]) => live).map(([key]) => key);
}

/** Which fleet led there last, if any did: the demo leads as one of its former names. */
export type Lead = { readonly clusterId: string; readonly lastFleet: string | undefined };

/** @throws Error when Kafka can't be asked */
export async function lastLead(client: KafkaClient): Promise<Lead> {
  const metadata = await client.metadata([], CALL);
  if (!metadata.ok) throw new Error(metadata.error.detail);
  let lastFleet: string | undefined;
  const read = await readToEnd({ client, log }, CONTROL, READ_CALL, ({ records }) => {
    for (const { key, value } of records) {
      const entry = decodeControl(key, value);
      if (entry.ok && entry.value.kind === "leader") lastFleet = entry.value.leader.fleet;
    }
  });
  if (!read.ok && read.error.code !== "unknown-topic") throw new Error(read.error.detail);
  return { clusterId: metadata.value.clusterId ?? "", lastFleet };
}

/** The topics are again of the fleet that they were of, or of nobody's. */
async function giveBack(client: KafkaClient, lastFleet: string | undefined): Promise<string[]> {
  const leader = {
    ...{ instance: "demo", scope: "" },
    ...(lastFleet === undefined ? {} : { fleet: lastFleet }),
  };
  const record = { ...encodeControl({ kind: "leader", leader }), partition: 0 };
  const sent = await openProducer({ client, log }).send(CONTROL, [record], CALL);
  return sent.ok ? [] : [`the lead: ${sent.error.detail}`];
}

/** After the control plane and all workers have ended: what the story itself has not withdrawn. */
export async function cleanUp(
  client: KafkaClient,
  { clusterId, lastFleet }: Lead,
  ids: readonly ClientId[],
): Promise<readonly string[]> {
  const producer = openProducer({ client, log });
  const tombstones = ids.map((key) => ({ key, value: null }));
  const sent = await producer.send(REGISTRY, tombstones, CALL);
  const left = sent.ok ? [] : [`tombstones: ${sent.error.detail}`];
  left.push(...(await giveBack(client, lastFleet)));
  for (const group of [...ids.map(groupOf), electionGroup(clusterId)]) {
    const gone = async () => {
      const deleted = await deleteGroup(client, group, CALL);
      if (!deleted.ok) throw new Error(deleted.error.detail);
      return true;
    };
    await until(`the end of group ${group}`, gone, GROUP_GONE).catch((error: unknown) => {
      left.push(String(error));
    });
  }
  return left;
}
