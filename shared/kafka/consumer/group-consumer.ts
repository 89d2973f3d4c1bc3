/**
 * kafkajs's own consumer, only for the consumer group of `sidecar ingest`: it joins, rebalances and commits
 * as any other consumer does.
 */

import kafkajs, { type Consumer, type EachBatchPayload, type Kafka, type LogEntry } from "kafkajs";
import { systemClock } from "../../clock.ts";
import { repeat, type Turn } from "../../retry.ts";
import { registerCodecs } from "../batch/codec.ts";
import { METADATA_AGE_MAX_MS } from "../cluster/metadata-cache.ts";
import { dial, saslOptions } from "../connection/dial.ts";
import { patchKafkajs } from "../connection/kafkajs-patch.ts";
import { bounded, type KafkaError, kafkaErrorOf, originalOf } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { type BrokerAddress, type KafkaSettings, parseBrokerAddress } from "../settings.ts";

const CONNECT_MS = 5000;
const REQUEST_MS = 30_000;
/** Longer than 60 s, kafkajs's default, for which a rebalance waits for members that are gone. */
const START_MS = 90_000;
const HEARTBEATS_PER_SESSION = 5;
/**
 * kafkajs finishes a fetch before it stops, which takes 5 s by default: too long for a worker that is being
 * stopped.
 */
const FETCH_WAIT_MS = 500;
/**
 * At least half of the wait: a thousand workers that lost one broker must neither spin nor come back at the
 * same time.
 */
const PACE = { baseMs: 1000, maxMs: 30_000, certain: 0.5, clock: systemClock };
/** After a client that ran this long, the wait is the shortest again. */
const STEADY_MS = 60_000;

/** A batch of one partition, with the calls that belong to it. */
export type GroupBatch = EachBatchPayload;

export type GroupConsumerOptions = {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  /** An error that it throws, except kafkajs's own, is a defect of ours and ends the consumer. */
  readonly onBatch: (payload: GroupBatch) => Promise<void>;
  /** Called when waiting does not help: the consumer has ended, so end the process. */
  readonly onEnd: (error: KafkaError) => void;
  readonly log: KafkaLog;
  readonly signal: AbortSignal;
  /** Deadline until it runs. */
  readonly startMs?: number;
};

export type GroupConsumer = {
  /** Leaves the group and closes the connections. */
  readonly disconnect: () => Promise<void>;
};

/**
 * kafkajs splits a seed at its first colon, so an IPv6 seed gets a stand-in name. Addresses that brokers
 * advertise are not affected.
 */
const STAND_IN = "ipv6-seed-";
/** Not for us: we choose partitions ourselves. */
const PARTITIONER_WARNING = "KafkaJS v2.0.0 switched default partitioner";

/** @throws when a broker's address is malformed: the configuration should have been checked before */
function kafkaClient(settings: KafkaSettings, log: KafkaLog): Kafka {
  registerCodecs();
  patchKafkajs();
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
 * Resolves when the consumer runs, or the signal aborts. No outage ends it, however long: when kafkajs
 * gives up, a new client begins again. The caller disconnects it; `onEnd` is not called once the signal has
 * aborted.
 * @throws when it cannot run the first time, or that takes too long
 */
export async function runGroupConsumer(options: GroupConsumerOptions): Promise<GroupConsumer> {
  const slot: Slot = { consumer: undefined };
  const first = await begin(options, slot);
  void keepRunning(first, options, slot);
  return { disconnect: async () => await slot.consumer?.disconnect() };
}

/** The current client: the one to be disconnected. */
type Slot = { consumer: Consumer | undefined };

/** Resolves to why kafkajs gave up. */
type Run = { readonly crashed: Promise<KafkaError>; readonly beganMs: number };

const whatOf = ({ topic, groupId }: GroupConsumerOptions): string =>
  `consume topic ${topic} in group ${groupId}`;

/**
 * One client, from its first connection to its crash.
 *
 * Of kafkajs's events only CRASH counts (kafkajs 2.2.4, src/consumer/index.js). Its crash handler first
 * disconnects, which emits STOP, and then emits CRASH, even when joining failed in `run`, which resolves
 * all the same. STOP only says that somebody disconnected. kafkajs's own restart is switched off: it keeps
 * the client with all its state, and gives up for good on errors that pass, such as a TypeError about a
 * seed broker that it has removed.
 */
async function begin(options: GroupConsumerOptions, slot: Slot): Promise<Run> {
  const { groupId, topic, sessionTimeoutMs, signal } = options;
  const kafka = kafkaClient(options.kafka, options.log);
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION),
    metadataMaxAge: METADATA_AGE_MAX_MS,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });
  slot.consumer = consumer;
  const what = whatOf(options);
  const crashed = Promise.withResolvers<KafkaError>();
  consumer.on(consumer.events.CRASH, ({ payload }) => crashed.resolve(whyOf(payload.error, what)));
  const start = async () => {
    await consumer.connect();
    if (signal.aborted) return;
    await consumer.subscribe({ topic, fromBeginning: true });
    if (signal.aborted) return;
    const eachBatch = batchHandler(options.onBatch);
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
  };
  const call = { deadlineMs: options.startMs ?? START_MS, signal };
  const started = await bounded(start(), call, `begin to ${what}`);
  if (started.ok || signal.aborted) return { crashed: crashed.promise, beganMs: performance.now() };
  // Not awaited: kafkajs first waits for the answers of a broker that hangs.
  consumer.disconnect().catch(() => undefined);
  throw started.error.cause ?? new Error(started.error.detail);
}

/** Begins again after each crash that may pass, for as long as it takes. */
async function keepRunning(first: Run, options: GroupConsumerOptions, slot: Slot): Promise<void> {
  const { log, signal, groupId } = options;
  let run: Run | undefined = first;
  const outlive = async (): Promise<Turn> => {
    run ??= await beginAgain(options, slot);
    const { crashed, beganMs } = run;
    run = undefined;
    const error = await crashed;
    if (signal.aborted) return "over";
    if (!heals(error)) {
      options.onEnd(error);
      return "over";
    }
    log("warn", "the consumer lost Kafka; it begins again", { groupId, error: error.detail });
    return systemClock.monotonicMs() - beganMs >= STEADY_MS ? "lapsed" : "failed";
  };
  await repeat(outlive, PACE, signal);
}

async function beginAgain(options: GroupConsumerOptions, slot: Slot): Promise<Run> {
  try {
    return await begin(options, slot);
  } catch (cause) {
    const crashed = Promise.resolve(whyOf(cause, whatOf(options)));
    return { crashed, beganMs: systemClock.monotonicMs() };
  }
}

/**
 * A member that the group has forgotten joins again, and an offset that no longer exists is replaced by the
 * topic's start.
 */
const heals = ({ code, retry }: KafkaError): boolean =>
  retry === "transient" || code === "fenced" || code === "offset-out-of-range";

class HandlerFailed extends Error {
  override readonly name = "HandlerFailed";
}

/** Distinguishes errors of our own handler from those that kafkajs threw in it. */
function batchHandler(onBatch: GroupConsumerOptions["onBatch"]): GroupConsumerOptions["onBatch"] {
  return async (payload) => {
    try {
      await onBatch(payload);
    } catch (cause) {
      if (cause instanceof Error && cause.name.startsWith("KafkaJS")) throw cause;
      throw new HandlerFailed(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  };
}

function whyOf(cause: unknown, what: string): KafkaError {
  const root = originalOf(cause);
  if (!(root instanceof HandlerFailed)) return kafkaErrorOf(root, what);
  const detail = `${what}: a batch could not be processed: ${root.message}`;
  return { code: "invalid", retry: "terminal", detail, cause: root.cause };
}

function addressOf(text: string): BrokerAddress {
  const address = parseBrokerAddress(text);
  if (address === undefined) throw new Error(`"${text}" is no broker address (host:port)`);
  return address;
}

/**
 * Its warnings stay warnings, its errors become warnings (it tries again, or CRASH follows), the rest is
 * for debugging.
 */
function lineTo(log: KafkaLog): (entry: LogEntry) => void {
  return ({ label, log: { message, broker, groupId, error } }) => {
    if (message.startsWith(PARTITIONER_WARNING)) return;
    const level = label === "WARN" || label === "ERROR" ? "warn" : "debug";
    log(level, message, { logger: "kafkajs", broker, groupId, error });
  };
}
