/** kafkajs's own client, for the consumer group of `sidecar ingest` alone: it joins, rebalances and commits as any other consumer does. */

import kafkajs, { type Consumer, type EachBatchPayload, type Kafka, type LogEntry } from "kafkajs";
import { registerCodecs } from "../batch/codec.ts";
import type { KafkaLog } from "../cluster/client.ts";
import { METADATA_AGE_MAX_MS } from "../cluster/metadata-cache.ts";
import { dial, saslOptions } from "../connection/dial.ts";
import { mendKafkajs } from "../connection/kafkajs-patch.ts";
import { bounded } from "../deadline.ts";
import { type KafkaError, kafkaErrorOf } from "../error.ts";
import { type BrokerAddress, type KafkaSettings, parseBrokerAddress } from "../settings.ts";

const CONNECT_MS = 5000;
const REQUEST_MS = 30_000;
/** A rebalance waits 60 s, kafkajs's default, for members that are gone: longer than that. */
const START_MS = 90_000;
const HEARTBEATS_PER_SESSION = 5;
/** kafkajs ends a fetch before it stops, and waits 5 s by default: a stopped worker must not. */
const FETCH_WAIT_MS = 500;

export type ConsumerOptions = {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly onBatch: (payload: EachBatchPayload) => Promise<void>;
  /** The consumer has stopped for good: end the process. */
  readonly onCrash: (error: KafkaError) => void;
  readonly signal: AbortSignal;
  /** Until it runs. */
  readonly startMs?: number;
};

/** kafkajs splits a seed at its first colon: an IPv6 seed goes under a stand-in name. Addresses that brokers advertise are not affected. */
const STAND_IN = "ipv6-seed-";
/** Not for us: we choose partitions ourselves. */
const PARTITIONER_WARNING = "KafkaJS v2.0.0 switched default partitioner";

/** @throws when a broker's address is malformed: the configuration was to be checked before */
export function kafkaClient(settings: KafkaSettings, log: KafkaLog): Kafka {
  registerCodecs();
  mendKafkajs();
  const sasl = saslOptions(settings);
  const seeds = settings.brokers.map(addressOf);
  return new kafkajs.Kafka({
    clientId: settings.clientId,
    brokers: seeds.map(({ host, port }, index) =>
      host.includes(":") ? `${STAND_IN}${index}:${port}` : `${host}:${port}`,
    ),
    socketFactory: ({ host, port, onConnect }) => {
      const seed = host.startsWith(STAND_IN)
        ? seeds[Number(host.slice(STAND_IN.length))]
        : undefined;
      return dial(settings, { host: seed?.host ?? host, port, onConnect });
    },
    connectionTimeout: CONNECT_MS,
    requestTimeout: REQUEST_MS,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => lineTo(log),
    ...(sasl === null ? {} : { sasl }),
  });
}

/**
 * Resolves when the consumer runs, or the signal has come. The caller disconnects it; `onCrash` is silent once the signal has come.
 * @throws what hinders it from running, also that it took too long
 */
export async function runConsumer(options: ConsumerOptions): Promise<Consumer> {
  const { kafka, groupId, topic, sessionTimeoutMs, onBatch, onCrash, signal } = options;
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION),
    metadataMaxAge: METADATA_AGE_MAX_MS,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: FETCH_WAIT_MS,
  });
  const what = `consume topic ${topic} in group ${groupId}`;
  const stopped = (cause: unknown) => {
    if (!signal.aborted) onCrash(kafkaErrorOf(cause, what));
  };
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) stopped(payload.error);
  });
  consumer.on(consumer.events.STOP, () => stopped(new Error("the consumer stopped")));
  const start = async () => {
    await consumer.connect();
    if (signal.aborted) return;
    await consumer.subscribe({ topic, fromBeginning: true });
    if (signal.aborted) return;
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: onBatch });
  };
  const call = { deadlineMs: options.startMs ?? START_MS, signal };
  const started = await bounded(start(), call, `begin to ${what}`, () => {});
  if (started.ok || signal.aborted) return consumer;
  // Not waited for: kafkajs first waits for the answers of a broker that hangs.
  consumer.disconnect().catch(() => undefined);
  throw started.error.cause ?? new Error(started.error.detail);
}

function addressOf(text: string): BrokerAddress {
  const address = parseBrokerAddress(text);
  if (address === undefined) throw new Error(`"${text}" is no broker address (host:port)`);
  return address;
}

/** Its warnings stay warnings, its errors become them (it tries again, or CRASH tells), the rest is for debugging. */
function lineTo(log: KafkaLog): (entry: LogEntry) => void {
  return ({ label, log: { message, broker, groupId, error } }) => {
    if (message.startsWith(PARTITIONER_WARNING)) return;
    const level = label === "WARN" || label === "ERROR" ? "warn" : "debug";
    log(level, message, { logger: "kafkajs", broker, groupId, error });
  };
}

export type { Consumer } from "kafkajs";
