/**
 * Kafka silently leaves topics that we may not describe out of the metadata: a broker full of replicas
 * would look empty and healthy. So topics that have replicas here but are not in the metadata are asked for
 * by name: then Kafka says whether we may not see them. Topics that it does not know were deleted or moved
 * away, and their replicas were left behind.
 *
 * While the directories or their contents cannot be read, the last reading counts: "could not be read" does
 * not mean "empty".
 */

import type { Clock } from "../../../shared/clock.ts";
import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";
import type { Result } from "../../../shared/result.ts";
import { type Hidden, type LogDirectory, type Reading, unreadDirs } from "../snapshot.ts";
import { counted, someOf } from "../text.ts";
import type { RoundClock } from "./round-clock.ts";

/** How long an answer counts: Kafka logs each refusal, so it is not asked often. */
const AGAIN_MS = 60_000;
/** How many are asked for at the same time; the others follow when these are known. */
const TOPICS_MAX = 100;

export type HiddenReader = (
  metadata: Reading<ClusterMetadata>,
  dirs: Reading<readonly LogDirectory[]>,
  clock: RoundClock,
) => Promise<Hidden | undefined>;

type Known = { readonly isRefused: boolean; readonly atMs: number };

export function openHiddenReader(deps: {
  /** Asks for the metadata of these topics. */
  readonly askTopics: (names: readonly string[]) => Promise<Result<ClusterMetadata, KafkaError>>;
  readonly clock: Clock;
}): HiddenReader {
  const {
    askTopics,
    clock: { monotonicMs },
  } = deps;
  const known = new Map<string, Known>();
  const seen = openSeen();

  const isKnown = (name: string): boolean =>
    monotonicMs() - (known.get(name)?.atMs ?? Number.NEGATIVE_INFINITY) < AGAIN_MS;

  const take = (answer: Result<ClusterMetadata, KafkaError> | undefined): void => {
    if (answer?.ok !== true) return;
    for (const { name, errorCode } of answer.value.topics) {
      known.set(name, {
        isRefused: errorCode === kafkaCode("TOPIC_AUTHORIZATION_FAILED"),
        atMs: monotonicMs(),
      });
    }
  };

  return async (metadata, dirs, clock) => {
    if (metadata.kind !== "read") return undefined;
    const absent = absentTopics(metadata.value, seen(dirs));
    for (const name of known.keys()) if (!absent.has(name)) known.delete(name);
    const due = [...absent.keys()].filter((name) => !isKnown(name)).slice(0, TOPICS_MAX);
    if (due.length > 0) take(await clock.within(askTopics(due)));
    const names = [...absent.keys()];
    const refused = names.filter((name) => known.get(name)?.isRefused === true);
    const unasked = names.filter((name) => !known.has(name));
    return hiddenOf(absent, refused, "refused") ?? hiddenOf(absent, unasked, "unasked");
  };
}

/** The directories when all of them could last be read; before that, those that could. */
function openSeen(): (dirs: Reading<readonly LogDirectory[]>) => readonly LogDirectory[] {
  let whole: readonly LogDirectory[] = [];
  return (dirs) => {
    const told = dirs.kind === "read" ? dirs.value : [];
    if (unreadDirs(told).length === 0 && told.length > 0) whole = told;
    return whole.length > 0 ? whole : told;
  };
}

/** How many replicas each topic has here; one that moves between directories counts once. */
function absentTopics(
  cluster: ClusterMetadata,
  dirs: readonly LogDirectory[],
): ReadonlyMap<string, number> {
  const shown = new Set(cluster.topics.map(({ name }) => name));
  const absent = new Map<string, number>();
  for (const { contents } of dirs) {
    for (const [name, replicas] of contents?.topics ?? []) {
      if (!shown.has(name)) absent.set(name, (absent.get(name) ?? 0) + replicas);
    }
  }
  return absent;
}

function hiddenOf(
  absent: ReadonlyMap<string, number>,
  topics: readonly string[],
  why: "refused" | "unasked",
): Hidden | undefined {
  if (topics.length === 0) return undefined;
  const replicas = topics.reduce((sum, name) => sum + (absent.get(name) ?? 0), 0);
  const here = `${counted(replicas, "replica")} here of topics that are hidden from us`;
  const names = someOf(topics);
  const reason =
    why === "refused"
      ? `${here} (missing permission: DESCRIBE on topic ${names})`
      : `${here}: could not ask whether ${names} is hidden or was deleted`;
  return { replicas, reason };
}
