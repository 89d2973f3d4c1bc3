/**
 * The collector: one life after the other. A life begins when the topic is there; it ends with the signal,
 * when the topic is no more what it was, or, with `once`, when every kind is settled.
 *
 * What is in the cluster before Kafka answers costs nothing: nothing is watched before a life begins.
 */
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Metrics } from "../../shared/metrics.ts";
import type { Result } from "../../shared/result.ts";
import { retry } from "../../shared/retry.ts";
import { type LifeOptions, type LifeShared, live } from "./life.ts";
import { openCollectMetrics } from "./metrics.ts";
import type { Claim } from "./send/claim.ts";
import { standBy } from "./send/claim-keeper.ts";
import { type Places, prepareTopics } from "./send/topics.ts";
import type { KindWatch } from "./watch/kind.ts";

const BACKOFF = { baseMs: 500, maxMs: 10_000 } as const;

export type CollectorOptions = Omit<LifeOptions, "metrics" | "shared" | "places" | "signal"> & {
  readonly metrics: Metrics;
};

/** What a life was good for. */
export type CollectEnd = {
  readonly kinds: readonly KindWatch[];
  /** The last thing that Kafka said, where it does not take what is sent. */
  readonly kafka: KafkaError | undefined;
  /** The life of another agent that began meanwhile. */
  readonly supersededBy: string | undefined;
};

export type Collector = {
  /** Until the signal, or with `once` until every kind is settled. */
  readonly run: (signal: AbortSignal) => Promise<CollectEnd>;
  /** Records that Kafka has confirmed. */
  readonly sent: () => number;
  readonly kinds: () => readonly KindWatch[];
  /** Why Kafka takes nothing; undefined while it does. */
  readonly trouble: () => string | undefined;
};

export function openCollector(options: CollectorOptions): Collector {
  const shared: LifeShared = {
    sent: 0,
    kinds: [],
    sender: undefined,
    kafka: undefined,
    standsByFor: undefined,
  };
  const metrics = openCollectMetrics(options.metrics, () => ({
    kinds: shared.kinds.map((each) => ({
      word: each.kind.word,
      state: each.state(),
      count: each.count(),
      refused: each.refused(),
      ageMs: each.ageMs(),
    })),
    standsBy: shared.standsByFor !== undefined,
    waitingBytes: shared.sender?.waitingBytes() ?? 0,
  }));
  return {
    run: async (signal) => {
      while (!signal.aborted) {
        const places = await reachTopics(options, shared, signal);
        if (!places.ok) break;
        const end = await live({ ...options, metrics, shared, places: places.value, signal });
        if (end === "done") break;
        if (end !== "again") {
          await yieldTo(options, shared, end.supersededBy, signal);
          if (options.mode === "once") break;
        }
      }
      const { kinds, kafka, standsByFor } = shared;
      return { kinds, kafka, supersededBy: standsByFor };
    },
    sent: () => shared.sent,
    kinds: () => shared.kinds,
    trouble: () =>
      shared.standsByFor === undefined
        ? shared.kafka?.detail
        : `stands by: another agent collects for this client id, life ${shared.standsByFor}`,
  };
}

/** Readers drop what we send from now on. One that was to end by itself ends. */
async function yieldTo(
  { claims, clock, log, mode }: CollectorOptions,
  shared: LifeShared,
  other: Claim,
  signal: AbortSignal,
): Promise<void> {
  shared.standsByFor = other.life;
  log.warn("another agent began to collect for this client id; this one stands by", {
    life: other.life,
  });
  if (mode === "once") return;
  shared.kinds = [];
  await standBy(claims, other, clock, signal);
  shared.standsByFor = undefined;
}

/** Tried until the signal; with `once` until Kafka refuses for good. */
async function reachTopics(
  options: CollectorOptions,
  shared: LifeShared,
  signal: AbortSignal,
): Promise<Result<Places, KafkaError>> {
  const { client, config, clientId, log, mode, clock } = options;
  const isForEvents = config.collectKinds.some(({ isEvent }) => isEvent);
  const names = {
    objects: config.kafkaTopic,
    partitions: config.topicPartitions,
    events: isForEvents ? config.eventsTopic : undefined,
  };
  const policy = {
    ...BACKOFF,
    clock,
    again: ({ retry: when }: KafkaError) => mode === "watch" || when === "transient",
    failed: (error: KafkaError, failures: number) => {
      shared.kafka = error;
      log[failures === 1 ? "warn" : "debug"]("Kafka cannot take what is collected; tried again", {
        detail: error.detail,
      });
    },
  };
  const places = await retry(
    () => prepareTopics(client, names, clientId, { log, signal }),
    policy,
    signal,
  );
  shared.kafka = places.ok ? undefined : places.error;
  return places;
}
