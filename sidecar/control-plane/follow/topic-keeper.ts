/**
 * While we lead or stand by, watches whether our topics exist and Kafka is still the same cluster. When a
 * topic has been missing only for a short time, somebody may be about to recreate it with other settings;
 * if it stays away, the leader recreates it.
 */

import { type Clock, sleep } from "../../../shared/clock.ts";
import type { TopicMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";
import type { Log } from "../../../shared/log.ts";
import type { Result } from "../../../shared/result.ts";

const LOOK_MS = 2_000;
const CALL_MS = 5_000;
const MISSING_MAX_MS = 8_000;

export type KeeperDeps = {
  readonly client: KafkaClient;
  readonly clusterId: string;
  readonly topics: readonly string[];
  readonly mayMake: () => boolean;
  readonly make: () => Promise<Result<unknown, KafkaError>>;
  /** Another cluster answers: nothing that we know applies to it. */
  readonly otherCluster: (clusterId: string) => void;
  readonly log: Pick<Log, "warn">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

/** Runs until the signal, or until another cluster answers; never rejects. */
export async function keepTopics(deps: KeeperDeps): Promise<void> {
  const { client, topics, signal } = deps;
  const missing = rememberMissing();
  while (!signal.aborted) {
    await sleep(LOOK_MS, signal);
    const metadata = await client.metadata(topics, { deadlineMs: CALL_MS, signal });
    if (signal.aborted) return;
    if (!metadata.ok) continue;
    const { clusterId } = metadata.value;
    if (clusterId !== null && clusterId !== deps.clusterId) return deps.otherCluster(clusterId);
    const gone = missing(absentIn(metadata.value.topics), deps.clock.monotonicMs());
    if (gone.length > 0 && deps.mayMake()) await makeAgain(deps, gone);
  }
}

const absentIn = (topics: readonly TopicMetadata[]): ReadonlySet<string> =>
  new Set(
    topics.flatMap(({ name, errorCode }) =>
      errorCode === kafkaCode("UNKNOWN_TOPIC_OR_PARTITION") ? [name] : [],
    ),
  );

/** Of the absent topics, those that have been absent for too long; each is returned once per such period. */
function rememberMissing(): (absent: ReadonlySet<string>, nowMs: number) => readonly string[] {
  const sinceMs = new Map<string, number>();
  return (absent, nowMs) => {
    for (const name of sinceMs.keys()) if (!absent.has(name)) sinceMs.delete(name);
    for (const name of absent) if (!sinceMs.has(name)) sinceMs.set(name, nowMs);
    const gone = [...sinceMs].filter(([, since]) => nowMs - since >= MISSING_MAX_MS);
    for (const [name] of gone) sinceMs.delete(name);
    return gone.map(([name]) => name);
  };
}

async function makeAgain({ make, log }: KeeperDeps, topics: readonly string[]): Promise<void> {
  log.warn("topics of ours were deleted: they are recreated", { topics });
  const made = await make();
  if (!made.ok) log.warn("they could not be created", { topics, error: made.error.detail });
}
