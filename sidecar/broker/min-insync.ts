/**
 * `min.insync.replicas` of the topics, remembered: that of a new topic is asked for at once, all are asked
 * for again every minute or so, a bounded number a round.
 */
import type { KafkaError } from "../../shared/kafka/error.ts";
import { protocolError } from "../../shared/kafka/error.ts";
import type { TopicMetadata } from "../../shared/kafka/metadata.ts";
import { type DescribedTopic, topicConfigsRequest } from "../../shared/kafka/topic-configs.ts";
import type { Connection } from "./connection.ts";
import { readingOf } from "./read.ts";
import type { Reading } from "./reading.ts";
import type { RoundClock } from "./round-clock.ts";

const KEY = "min.insync.replicas";
/** A topic's, read anew after so long. */
const AGE_MS = 60_000;
/** Not believed any more when it could not be read anew for so long. */
const AGE_MS_MAX = 300_000;
const TOPICS_PER_ROUND = 200;

type Known = { readonly value: number; readonly atMs: number };

export type MinInsyncReader = {
  readonly read: (
    topics: readonly TopicMetadata[],
    clock: RoundClock,
  ) => Promise<Reading<ReadonlyMap<string, number>>>;
};

export function openMinInsyncReader(deps: {
  readonly connection: Connection;
  readonly monotonicMs: () => number;
}): MinInsyncReader {
  const { connection, monotonicMs } = deps;
  const known = new Map<string, Known>();
  let trouble: KafkaError | undefined;
  let busy = false;

  const take = (described: readonly DescribedTopic[]) => {
    const atMs = monotonicMs();
    trouble = undefined;
    for (const { name, errorCode, message, config } of described) {
      const value = Number(config[KEY]);
      if (errorCode === 0 && Number.isInteger(value)) known.set(name, { value, atMs });
      else trouble = refusal(name, errorCode, message);
    }
  };

  const ask = async (names: readonly string[]): Promise<void> => {
    busy = true;
    const answer = await connection.ask(topicConfigsRequest(names, [KEY]));
    busy = false;
    if (answer.ok) take(answer.value);
    else trouble = answer.error;
  };

  return {
    read: async (topics, clock) => {
      const nowMs = monotonicMs();
      const sinceMs = clock.observedMs();
      forget(known, topics, nowMs);
      const due = dueTopics(topics, known, nowMs);
      if (due.length > 0 && !busy) await clock.within(ask(due));
      const durationMs = clock.observedMs() - sinceMs;
      const hasNone = known.size === 0 && topics.length > 0;
      if (hasNone && trouble !== undefined) {
        return readingOf<ReadonlyMap<string, number>>({ ok: false, error: trouble }, durationMs);
      }
      const value = new Map([...known].map(([name, { value: min }]) => [name, min]));
      return { kind: "read", value, durationMs };
    },
  };
}

/** New ones first. */
function dueTopics(
  topics: readonly TopicMetadata[],
  known: ReadonlyMap<string, Known>,
  nowMs: number,
): readonly string[] {
  const names = topics.filter((topic) => topic.errorCode === 0).map(({ name }) => name);
  const unknown = names.filter((name) => !known.has(name));
  const old = names.filter((name) => nowMs - (known.get(name)?.atMs ?? nowMs) > AGE_MS);
  return [...unknown, ...old].slice(0, TOPICS_PER_ROUND);
}

function forget(known: Map<string, Known>, topics: readonly TopicMetadata[], nowMs: number): void {
  const names = new Set(topics.map(({ name }) => name));
  for (const [name, { atMs }] of known) {
    if (!names.has(name) || nowMs - atMs > AGE_MS_MAX) known.delete(name);
  }
}

function refusal(topic: string, errorCode: number, message: string | null): KafkaError {
  const permission = `DESCRIBE_CONFIGS on topic ${topic}`;
  return protocolError(errorCode, `read the settings of topic ${topic}`, permission, message);
}
