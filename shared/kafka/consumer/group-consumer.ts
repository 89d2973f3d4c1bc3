/** kafkajs's own client, for the consumer group of `sidecar ingest` alone: it joins, rebalances and commits as any other consumer does. */

import kafkajs, { type Consumer, type EachBatchPayload, type Kafka, type LogEntry } from "kafkajs";
import { backoffMs } from "../../backoff.ts";
import { sleep } from "../../deadline.ts";
import { registerCodecs } from "../batch/codec.ts";
import { METADATA_AGE_MAX_MS } from "../cluster/metadata-cache.ts";
import { dial, saslOptions } from "../connection/dial.ts";
import { patchKafkajs } from "../connection/kafkajs-patch.ts";
import { bounded } from "../deadline.ts";
import { type KafkaError, kafkaErrorOf, originalOf } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import { type BrokerAddress, type KafkaSettings, parseBrokerAddress } from "../settings.ts";

const CONNECT_MS = 5000;
const REQUEST_MS = 30_000;
/** A rebalance waits 60 s, kafkajs's default, for members that are gone: longer than that. */
const START_MS = 90_000;
const HEARTBEATS_PER_SESSION = 5;
/** kafkajs ends a fetch before it stops, and waits 5 s by default: a stopped worker must not. */
const FETCH_WAIT_MS = 500;
/** How long to wait before beginning again; a client that ran so long begins anew with the shortest wait. */
const AGAIN = { baseMs: 1000, maxMs: 30_000 } as const;
const STEADY_MS = 60_000;

/** What is handed over: a batch of one partition, and the calls that go with it. */
export type GroupBatch = EachBatchPayload;

export type GroupConsumerOptions = {
  readonly kafka: KafkaSettings;
  readonly groupId: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  /** What it throws, but for kafkajs's own errors, is a defect of ours and ends the consumer. */
  readonly onBatch: (payload: GroupBatch) => Promise<void>;
  /** Waiting heals it not: the consumer has ended, end the process. */
  readonly onEnd: (error: KafkaError) => void;
  readonly log: KafkaLog;
  readonly signal: AbortSignal;
  /** Until it runs. */
  readonly startMs?: number;
};

export type GroupConsumer = {
  /** Leaves the group and closes the connections. */
  readonly disconnect: () => Promise<void>;
};

/** kafkajs splits a seed at its first colon: an IPv6 seed goes under a stand-in name. Addresses that brokers advertise are not affected. */
const STAND_IN = "ipv6-seed-";
/** Not for us: we choose partitions ourselves. */
const PARTITIONER_WARNING = "KafkaJS v2.0.0 switched default partitioner";

/** @throws when a broker's address is malformed: the configuration was to be checked before */
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
 * Resolves when the consumer runs, or the signal has come. An outage of any length does not end it:
 * whatever kafkajs gave up on, a new client begins again. The caller disconnects it; `onEnd` is silent
 * once the signal has come.
 * @throws what hinders it from running the first time, also that it took too long
 */
export async function runGroupConsumer(options: GroupConsumerOptions): Promise<GroupConsumer> {
  const slot: Slot = { consumer: undefined };
  const first = await begin(options, slot);
  void keepRunning(first, options, slot);
  return { disconnect: async () => await slot.consumer?.disconnect() };
}

/** The client of now: the one to be disconnected. */
type Slot = { consumer: Consumer | undefined };

/** Resolves to why kafkajs gave up. */
type Run = { readonly crashed: Promise<KafkaError>; readonly beganMs: number };

const whatOf = ({ topic, groupId }: GroupConsumerOptions): string =>
  `consume topic ${topic} in group ${groupId}`;

/**
 * One client, from its first connection to its crash.
 *
 * Of kafkajs's events CRASH alone counts (kafkajs 2.2.4, src/consumer/index.js). Its crash handler first
 * disconnects, which emits STOP, whatever comes then; CRASH follows, also when joining failed in `run`,
 * which then resolves all the same. STOP says no more than that somebody disconnected. Its own restart
 * keeps the client with all that it remembers, and gives up for good on errors that heal, such as a
 * TypeError about a seed broker that it has removed: it is switched off.
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
  const started = await bounded(start(), call, `begin to ${what}`, () => {});
  if (started.ok || signal.aborted) return { crashed: crashed.promise, beganMs: performance.now() };
  // Not waited for: kafkajs first waits for the answers of a broker that hangs.
  consumer.disconnect().catch(() => undefined);
  throw started.error.cause ?? new Error(started.error.detail);
}

/** Begins again after each crash that may heal, for as long as it takes. */
async function keepRunning(first: Run, options: GroupConsumerOptions, slot: Slot): Promise<void> {
  const { log, signal, groupId } = options;
  let crash = first.crashed;
  let beganMs = first.beganMs;
  for (let failures = 0; ; failures += 1) {
    const error = await crash;
    if (signal.aborted) return;
    if (!heals(error)) {
      options.onEnd(error);
      return;
    }
    if (performance.now() - beganMs >= STEADY_MS) failures = 0;
    const waitMs = Math.round(backoffMs(failures, { ...AGAIN, random: atLeastHalf }));
    log("warn", "the consumer lost Kafka; it begins again", {
      groupId,
      error: error.detail,
      wait_ms: waitMs,
    });
    await sleep(waitMs, signal);
    if (signal.aborted) return;
    try {
      const run = await begin(options, slot);
      ({ crashed: crash, beganMs } = run);
    } catch (cause) {
      crash = Promise.resolve(whyOf(cause, whatOf(options)));
      beganMs = performance.now();
    }
  }
}

/** A member that was forgotten joins anew, and an offset that is no more gives way to the topic's start. */
const heals = ({ code, retry }: KafkaError): boolean =>
  retry === "transient" || code === "fenced" || code === "offset-out-of-range";

/** Half of the wait at least: a thousand workers that lost one broker must neither spin nor come at once. */
const atLeastHalf = (): number => 0.5 + Math.random() / 2;

class HandlerFailed extends Error {
  override readonly name = "HandlerFailed";
}

/** Tells what our own handler threw from what kafkajs threw in it. */
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
  const detail = `${what}: a batch could not be worked off: ${root.message}`;
  return { code: "invalid", retry: "terminal", detail, cause: root.cause };
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
