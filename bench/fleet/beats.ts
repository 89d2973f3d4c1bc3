/**
 * Heartbeats folded per second, compared with reading the same records without folding, with the same
 * consumer, alternately.
 */

import { systemClock } from "../../shared/clock.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch } from "../../shared/kafka/consumer/delivery.ts";
import { runGroupConsumer } from "../../shared/kafka/consumer/group-consumer.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { openMetrics } from "../../shared/metrics.ts";
import { type ClientId, isClientId } from "../../shared/protocol/client-id.ts";
import { HEARTBEAT, topicPlans } from "../../shared/protocol/topic.ts";
import { createExpiry } from "../../sidecar/control-plane/fleet/expiry.ts";
import { createFleet, foldRegistration } from "../../sidecar/control-plane/fleet/fleet.ts";
import { createAges } from "../../sidecar/control-plane/fleet/observed-time.ts";
import { createBeatCounts, foldBeats } from "../../sidecar/control-plane/heartbeat/fold.ts";
import { openRecorder } from "../../sidecar/control-plane/metrics.ts";
import { describe } from "../../sidecar/control-plane/registry/admission.ts";
import { startKafka } from "../../test/bed/kafka/kafka.ts";
import { figure, median } from "../figure.ts";

const CLUSTERS = 20_000;
const BEATS = 600_000;
const PARTITIONS = 6;
const CHUNK = 10_000;
const TURNS = 5;
const FOLD_TO_RAW_MIN = 0.4;

const log = () => undefined;
const ids: readonly ClientId[] = Array.from({ length: CLUSTERS }, (_, n) => `cluster-${n}`).filter(
  isClientId,
);

export async function beatsPerSecond(): Promise<void> {
  const kafka = await startKafka();
  const client = openKafkaClient({ clientId: "bench", brokers: [kafka.bootstrap] }, { log });
  try {
    const plan = topicPlans(PARTITIONS).find(({ name }) => name === HEARTBEAT);
    await kafka.tools.createTopic(HEARTBEAT, PARTITIONS, { ...plan?.config });
    await write(client);
    const raw: number[] = [];
    const folded: number[] = [];
    const stock: number[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      raw.push(await readAll(client, () => undefined));
      folded.push(await readAll(client, folder()));
      stock.push(await readByKafkajs(kafka.bootstrap, `bench-${turn}`));
    }
    const bench = "fleet";
    figure({ bench, figure: "heartbeats folded", value: median(folded), unit: "1/s" });
    figure({ bench, figure: "read raw by kafkajs", value: median(stock), unit: "1/s" });
    figure({ bench, figure: "read raw by our reader", value: median(raw), unit: "1/s" });
    const ratio = (to: readonly number[]) =>
      median(folded.map((value, index) => value / (to[index] ?? Number.NaN)));
    figure({
      bench,
      figure: "fold to raw by kafkajs, median of turns",
      value: ratio(stock),
      unit: "ratio",
      bar: { atLeast: FOLD_TO_RAW_MIN },
    });
    figure({
      bench,
      figure: "fold to raw by our reader, median of turns",
      value: ratio(raw),
      unit: "ratio",
    });
  } finally {
    await client.close();
    await kafka.stop();
  }
}

async function write(client: ReturnType<typeof openKafkaClient>): Promise<void> {
  const producer = openProducer({ client, log });
  for (let from = 0; from < BEATS; from += CHUNK) {
    const records = Array.from({ length: CHUNK }, (_, n) => {
      const clientId = ids[(from + n) % CLUSTERS] ?? "";
      const beat = {
        client_id: clientId,
        timestamp: new Date().toISOString(),
        status: "healthy",
        metrics: { resources_sent: from, uptime_seconds: n },
        sequence: from + n,
        instance_id: "6f1c9c0e",
      };
      return { key: clientId, value: JSON.stringify(beat) };
    });
    const sent = await producer.send(HEARTBEAT, records, { deadlineMs: 30_000 });
    if (!sent.ok) throw new Error(sent.error.detail);
  }
}

/** Records per second from the start of the topic to its end. */
async function readAll(
  client: ReturnType<typeof openKafkaClient>,
  take: (batch: ReadBatch) => void,
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<null>();
  let records = 0;
  const startMs = performance.now();
  const consumer = openConsumer({
    client,
    log,
    positions: Array.from({ length: PARTITIONS }, (_, partition) => ({
      topic: HEARTBEAT,
      partition,
      offset: 0,
    })),
    deliver: (batch) => {
      take(batch);
      records += batch.records.length;
      if (records >= BEATS) resolve(null);
    },
    problem: log,
  });
  await promise;
  const perSecond = records / ((performance.now() - startMs) / 1000);
  await consumer.close();
  return perSecond;
}

/** The same with kafkajs's own consumer, from its first batch on: the client with which the bar was set. */
async function readByKafkajs(bootstrap: string, groupId: string): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const stop = new AbortController();
  let records = 0;
  let startMs = 0;
  const consumer = await runGroupConsumer({
    kafka: { clientId: "bench", brokers: [bootstrap] },
    log,
    groupId,
    topic: HEARTBEAT,
    sessionTimeoutMs: 30_000,
    onBatch: ({ batch, resolveOffset }) => {
      if (records === 0) startMs = performance.now();
      records += batch.messages.length;
      resolveOffset(batch.lastOffset());
      if (records >= BEATS) resolve(records / ((performance.now() - startMs) / 1000));
      return Promise.resolve();
    },
    onEnd: ({ detail }) => {
      throw new Error(detail);
    },
    signal: stop.signal,
  });
  const perSecond = await promise;
  stop.abort();
  await consumer.disconnect();
  return perSecond;
}

/** What a leader does with a batch, on a fleet of registered clusters. */
function folder(): (batch: ReadBatch) => void {
  const settings = { heartbeatTimeoutMs: 120_000, cleanupTimeoutMs: 300_000 };
  const ages = createAges({ partitions: PARTITIONS, intervalMs: 2_000, ...settings });
  const expiry = createExpiry(ages, settings);
  const fleet = createFleet();
  const seen = { clock: ages.joint, atMs: 0 };
  for (const clientId of ids) {
    const accepted = { clientId, partition: 0, offset: 0, value: "{}", headers: {} };
    const at = { seen, nowMs: 0, reason: "registration" } as const;
    expiry.schedule(foldRegistration(fleet, accepted, describe(clientId, "{}"), at));
  }
  const recorder = openRecorder(openMetrics());
  const counts = createBeatCounts();
  return (batch) => {
    foldBeats(
      {
        fleet,
        ages,
        expiry,
        counts,
        settings,
        asked: () => undefined,
        conflictChanged: () => undefined,
        isOwn: () => false,
        beat: recorder.beat,
        changed: () => undefined,
        unregistered: () => undefined,
        refused: ({ error }) => {
          throw new Error(error.detail);
        },
        clock: systemClock,
      },
      batch,
    );
  };
}
