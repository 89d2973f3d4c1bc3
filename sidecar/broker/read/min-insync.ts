/**
 * `min.insync.replicas` of the topics that have a replica here, cached. For a new topic it is asked at
 * once; then, or after a refusal (Kafka logs each one), about every minute. Asking goes on after the end of
 * a round, so that all topics are read even if rounds are rare.
 */

import type { Clock } from "../../../shared/clock.ts";
import {
  type DescribedConfig,
  topicConfigsRequest,
} from "../../../shared/kafka/admin/topic-configs.ts";
import type { TopicMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { protocolError } from "../../../shared/kafka/error.ts";
import type { Reading } from "../snapshot.ts";
import type { RenewableConnection } from "./connection.ts";
import { readingOf } from "./reading.ts";
import type { RoundClock } from "./round-clock.ts";

const KEY = "min.insync.replicas";
/** How long until a topic's value is asked for again. */
const AGE_MS = 60_000;
/** A value that could not be read again for this long is dropped. */
const AGE_MS_MAX = 300_000;
const TOPICS_PER_REQUEST = 200;
/** How long a round waits for answers. */
const WAIT_MS = 500;

/** `min`: the last value read. `refusal`: of the last question. */
type Known = {
  readonly askedMs: number;
  readonly min: { readonly value: number; readonly atMs: number } | undefined;
  readonly refusal: KafkaError | undefined;
};

export type MinInsyncReader = {
  readonly read: (
    topics: readonly TopicMetadata[],
    clock: RoundClock,
  ) => Promise<Reading<ReadonlyMap<string, number>>>;
  /** Why one of them could not be read; undefined if all could. */
  readonly trouble: () => KafkaError | undefined;
};

export function openMinInsyncReader(deps: {
  readonly brokerId: number;
  readonly connection: RenewableConnection;
  readonly clock: Clock;
}): MinInsyncReader {
  const {
    brokerId,
    connection,
    clock: { monotonicMs },
  } = deps;
  const known = new Map<string, Known>();
  let here: readonly string[] = [];
  let seen: readonly TopicMetadata[] | undefined;
  let lost: KafkaError | undefined;
  let asking: Promise<void> | undefined;

  const take = (described: readonly DescribedConfig[]) => {
    const askedMs = monotonicMs();
    for (const { name, errorCode, message, config } of described) {
      const value = Number(config[KEY]);
      const isRead = errorCode === 0 && Number.isInteger(value);
      known.set(name, {
        askedMs,
        min: isRead ? { value, atMs: askedMs } : known.get(name)?.min,
        refusal: isRead ? undefined : refusal(name, errorCode, message),
      });
    }
  };

  const askAll = async (): Promise<void> => {
    for (let due = dueTopics(here, known, monotonicMs()); due.length > 0; ) {
      const answer = await connection.ask(topicConfigsRequest(due, [KEY]));
      lost = answer.ok ? undefined : answer.error;
      if (!answer.ok) break;
      take(answer.value);
      const asked = new Set(due);
      due = dueTopics(here, known, monotonicMs()).filter((name) => !asked.has(name));
    }
  };

  const trouble = () => lost ?? here.map((name) => known.get(name)?.refusal).find(Boolean);

  return {
    trouble,
    read: async (topics, clock) => {
      const sinceMs = clock.observedMs();
      if (topics !== seen) here = namesHere(topics, brokerId);
      seen = topics;
      forget(known, here);
      asking ??= askAll().finally(() => {
        asking = undefined;
      });
      await clock.within(Promise.race([asking, clock.after(sinceMs + WAIT_MS)]));
      const durationMs = clock.observedMs() - sinceMs;
      const value = minsOf(known, monotonicMs());
      const error = value.size === 0 ? trouble() : undefined;
      if (error === undefined) return { kind: "read", value, durationMs };
      return readingOf<ReadonlyMap<string, number>>({ ok: false, error }, durationMs);
    },
  };
}

const namesHere = (topics: readonly TopicMetadata[], brokerId: number): readonly string[] =>
  topics
    .filter(({ errorCode }) => errorCode === 0)
    .filter(({ partitions }) => partitions.some(({ replicas }) => replicas.includes(brokerId)))
    .map(({ name }) => name);

/** Topics that were never asked for first, then those asked longest ago. */
function dueTopics(
  here: readonly string[],
  known: ReadonlyMap<string, Known>,
  nowMs: number,
): readonly string[] {
  const askedMs = (name: string) => known.get(name)?.askedMs ?? Number.NEGATIVE_INFINITY;
  return here
    .filter((name) => nowMs - askedMs(name) > AGE_MS)
    .sort((one, other) => (askedMs(one) < askedMs(other) ? -1 : 1))
    .slice(0, TOPICS_PER_REQUEST);
}

function minsOf(known: ReadonlyMap<string, Known>, nowMs: number): ReadonlyMap<string, number> {
  const mins = new Map<string, number>();
  for (const [name, { min }] of known) {
    if (min !== undefined && nowMs - min.atMs <= AGE_MS_MAX) mins.set(name, min.value);
  }
  return mins;
}

function forget(known: Map<string, Known>, here: readonly string[]): void {
  if (known.size === 0) return;
  const names = new Set(here);
  for (const name of known.keys()) if (!names.has(name)) known.delete(name);
}

function refusal(topic: string, errorCode: number, message: string | null): KafkaError {
  const permission = `DESCRIBE_CONFIGS on topic ${topic}`;
  return protocolError(errorCode, `read the settings of topic ${topic}`, permission, message);
}
