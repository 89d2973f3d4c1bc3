/**
 * One life: from its first record to its last. It ends with the signal, when the topic is no more what it
 * was, or, with `once`, when every kind is settled.
 */
import type { Clock } from "../../shared/clock.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Producer } from "../../shared/kafka/producer/producer.ts";
import type { KubernetesLog } from "../../shared/kubernetes/follow.ts";
import type { Transport } from "../../shared/kubernetes/transport.ts";
import type { Log } from "../../shared/log.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import { encodeBegin, encodeScope } from "../../shared/protocol/cluster-info.ts";
import { ALWAYS, retry } from "../../shared/retry.ts";
import type { CollectConfig } from "./config.ts";
import { annotationRule } from "./encode/annotations.ts";
import { projectionOf } from "./encode/projection.ts";
import type { CollectMetrics } from "./metrics.ts";
import { scopeText, selectionsOf } from "./selection.ts";
import type { Claim } from "./send/claim.ts";
import { type ClaimKeeper, openClaimKeeper } from "./send/claim-keeper.ts";
import type { ClaimNotes } from "./send/claim-note.ts";
import { openSender, type Sender, type SenderOptions } from "./send/sender.ts";
import { type Places, topicChange } from "./send/topics.ts";
import { type KindWatch, openKindWatch } from "./watch/kind.ts";
import type { KindState } from "./watch/kind-state.ts";
import type { LifeContext } from "./watch/life-context.ts";

const TICK_MS = 1000;
/** Between two looks at the topic, and at who collects for this client id. */
const LOOK_MS = 10_000;
const BEGIN_MS_MAX = 15_000;
const BACKOFF = { baseMs: 200, maxMs: 5000 } as const;
/** At the end, for what waits. */
const FLUSH_MS_MAX = 5000;
const LIFE_BYTES = 8;

export type CollectMode = "watch" | "once";

/** What outlives a life. */
export type LifeShared = {
  /** Records that Kafka has confirmed. */
  sent: number;
  kinds: readonly KindWatch[];
  sender: Sender | undefined;
  /** Why Kafka does not take what is sent; undefined while it does. */
  kafka: KafkaError | undefined;
  /** The other life, while this agent stands by. */
  standsByFor: string | undefined;
};

export type LifeOptions = {
  readonly clientId: ClientId;
  readonly config: CollectConfig;
  readonly mode: CollectMode;
  readonly client: KafkaClient;
  readonly producer: Producer;
  readonly claims: ClaimNotes;
  readonly transport: Transport;
  /** The uid of namespace kube-system; undefined where we may not ask. */
  readonly clusterUid: (signal: AbortSignal) => Promise<string | undefined>;
  readonly agentVersion: string;
  readonly metrics: CollectMetrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly shared: LifeShared;
  readonly places: Places;
  readonly signal: AbortSignal;
};

/** How a life ended: nothing is to follow, or another one; or one of another agent has begun after it. */
export type LifeEnd = "done" | "again" | { readonly supersededBy: Claim };

export async function live(options: LifeOptions): Promise<LifeEnd> {
  const { shared, places, signal, log, metrics, mode } = options;
  const watching = new AbortController();
  // What waits is still sent when the signal comes: the sender ends later than the watches.
  const sending = new AbortController();
  const sender = openLifeSender(options, sending.signal);
  shared.sender = sender;
  metrics.lifeBegan();
  const life = openLife(options, sender, AbortSignal.any([signal, watching.signal]));
  const began = await writeBegin(options, life);
  if (began === undefined) return "done";
  const claim = openClaimKeeper(options.claims, began, log);
  shared.kinds = openKinds(options, life);
  log.info("collecting", { mode, life: life.life, topic: places.objects?.name });
  const end = await untilEnd(options, shared.kinds, claim);
  if (end === "done") {
    await sender.flushed(signal.aborted ? AbortSignal.timeout(FLUSH_MS_MAX) : signal);
    await claim.end();
  }
  watching.abort();
  sending.abort();
  await Promise.all([sender.ended, ...shared.kinds.map(({ ended }) => ended)]);
  return end;
}

function openLifeSender(options: LifeOptions, signal: AbortSignal): Sender {
  const { shared, places, producer, log, metrics } = options;
  const send: SenderOptions["send"] = (topic, records, call) => {
    const place = places[topic];
    if (place === undefined) throw new Error(`there is no topic for ${topic}`);
    const placed = records.map((record) => ({ ...record, partition: place.partition }));
    return producer.send(place.name, placed, call);
  };
  return openSender({
    send,
    clock: options.clock,
    produced: (records) => {
      shared.sent += records;
      metrics.produced(records);
    },
    failing: (error) => {
      const isNew = shared.kafka === undefined;
      shared.kafka = error;
      if (error === undefined) log.info("Kafka takes what is collected again");
      else if (isNew) {
        log.warn("Kafka does not take what is collected; tried again", { detail: error.detail });
      }
    },
    signal,
  });
}

function openLife(options: LifeOptions, sender: Sender, signal: AbortSignal): LifeContext {
  const { config } = options;
  const life = Buffer.from(crypto.getRandomValues(new Uint8Array(LIFE_BYTES))).toString("hex");
  const projection = projectionOf({
    annotations: config.collectAnnotations,
    kinds: chosen(config),
  });
  return {
    ...options,
    ...{ life, projection, sender, signal },
    isAllowed: annotationRule(config.collectAnnotations),
    log: kubernetesLog(options.log),
  };
}

/** Its first record goes before anything is watched. Undefined: the signal came before Kafka took it. */
async function writeBegin(
  options: LifeOptions,
  { life, projection, clientId, signal }: LifeContext,
): Promise<Pick<Claim, "life" | "began" | "topicId"> | undefined> {
  const { places, producer, clock, shared } = options;
  const { objects } = places;
  if (objects === undefined) throw new Error("there is no topic for objects");
  const uid = await options.clusterUid(signal);
  const record = encodeBegin({
    client_id: clientId,
    life,
    partition_count: objects.partitions,
    began_at: new Date(clock.nowMs()).toISOString(),
    agent_version: options.agentVersion,
    projection,
    mode: options.mode,
    ...(uid === undefined ? {} : { cluster_uid: uid }),
  });
  const placed = [{ ...record, partition: objects.partition }];
  const call = { deadlineMs: BEGIN_MS_MAX, signal };
  const failed = (error: KafkaError) => {
    shared.kafka = error;
  };
  const policy = { ...BACKOFF, clock, again: ALWAYS, failed };
  const written = await retry(() => producer.send(objects.name, placed, call), policy, signal);
  const [first] = written.ok ? written.value : [];
  if (first === undefined) return undefined;
  shared.kafka = undefined;
  return { life, began: first.offset, topicId: objects.topicId };
}

const chosen = ({ collectKinds, collectCustomResources = [] }: CollectConfig) => [
  ...collectKinds,
  ...collectCustomResources,
];

/** A watch that ends is daily bread; what lasts is said as the state of its kind. */
const kubernetesLog =
  (log: Log): KubernetesLog =>
  (_level, message, fields) =>
    log.debug(message, fields);

function openKinds(options: LifeOptions, life: LifeContext): readonly KindWatch[] {
  const { config, metrics, log, clock } = options;
  const { clientId, projection, sender } = life;
  const sayScope = () => {
    const record = () => {
      const named = kinds.filter(({ kind }) => !kind.isEvent).map(scopeOf);
      const at = new Date(clock.nowMs()).toISOString();
      return encodeScope({ client_id: clientId, life: life.life, at, kinds: named }, projection);
    };
    sender.add({ topic: "objects", record });
  };
  const kinds: readonly KindWatch[] = chosen(config).map((kind) =>
    openKindWatch(life, {
      kind,
      selections: selectionsOf(kind, config),
      scope: scopeText(kind, config),
      fullPassMs: config.collectFullPassMs,
      began: metrics.passBegan,
      closed: (seconds) => metrics.passClosed(kind.word, seconds),
      stateChanged: (state) => {
        sayState(log, kind.kind, state);
        if (state.state !== "collected") metrics.failed(kind.word, state.state);
        sayScope();
      },
    }),
  );
  // Before any object: streams bring nothing before this function returns.
  sayScope();
  return kinds;
}

function scopeOf({ kind, scope, state }: KindWatch) {
  const { state: word, ...rest } = state();
  return { kind: kind.kind, state: word, scope, ...rest };
}

function sayState(log: Log, kind: string, state: KindState): void {
  if (state.state === "collected") log.info("a kind is collected again", { kind });
  else log.warn(`a kind is ${state.state}; the others go on`, { kind, detail: state.detail });
}

async function untilEnd(
  options: LifeOptions,
  kinds: readonly KindWatch[],
  claim: ClaimKeeper,
): Promise<LifeEnd> {
  const { signal, mode, clock } = options;
  let lookedMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    for (const kind of kinds) await kind.tick();
    if (mode === "once" && kinds.every((kind) => kind.isSettled())) return "done";
    if (clock.monotonicMs() - lookedMs >= LOOK_MS) {
      lookedMs = clock.monotonicMs();
      const end = await lookForEnd(options, claim);
      if (end !== undefined) return end;
    }
    await clock.sleep(mode === "once" ? TICK_MS / 10 : TICK_MS, signal);
  }
  return "done";
}

async function lookForEnd(
  { signal, client, places, log }: LifeOptions,
  claim: ClaimKeeper,
): Promise<LifeEnd | undefined> {
  const other = await claim.keep(signal);
  if (other !== undefined) return { supersededBy: other };
  const change = await topicChange(client, places, signal);
  if (change === undefined) return undefined;
  log.warn(`${change}; everything is sent again`);
  return "again";
}
