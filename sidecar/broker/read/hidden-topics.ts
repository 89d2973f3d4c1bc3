/**
 * Kafka leaves a topic that we may not describe out of the metadata, without a word: a broker full of
 * replicas would look empty, and well. So the topics that have replicas here and are not shown are asked
 * for by name: Kafka then says whether we may not see them. Those that it does not know were deleted, or
 * moved away, and their replicas have been left behind.
 *
 * While the directories, or what lies in them, cannot be read, what was last read of them counts: that
 * nobody could look is no sign that nothing is there.
 */

import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Result } from "../../../shared/result.ts";
import { type Hidden, type LogDirectory, type Reading, unreadDirs } from "../snapshot.ts";
import { counted, someOf } from "../text.ts";
import type { RoundClock } from "./round-clock.ts";

/** An answer counts for so long: Kafka logs each refusal. */
const AGAIN_MS = 60_000;
/** Asked for at once; the others are in turn when these are known. */
const TOPICS_MAX = 100;
const TOPIC_AUTHORIZATION_FAILED = 29;

export type HiddenReader = (
  metadata: Reading<ClusterMetadata>,
  dirs: Reading<readonly LogDirectory[]>,
  clock: RoundClock,
) => Promise<Hidden | undefined>;

type Known = { readonly isRefused: boolean; readonly atMs: number };

export function openHiddenReader(deps: {
  /** Metadata of these topics. */
  readonly askTopics: (names: readonly string[]) => Promise<Result<ClusterMetadata, KafkaError>>;
  readonly monotonicMs: () => number;
}): HiddenReader {
  const { askTopics, monotonicMs } = deps;
  const known = new Map<string, Known>();
  const seen = openSeen();

  const isKnown = (name: string): boolean =>
    monotonicMs() - (known.get(name)?.atMs ?? Number.NEGATIVE_INFINITY) < AGAIN_MS;

  const take = (answer: Result<ClusterMetadata, KafkaError> | undefined): void => {
    if (answer?.ok !== true) return;
    for (const { name, errorCode } of answer.value.topics) {
      known.set(name, { isRefused: errorCode === TOPIC_AUTHORIZATION_FAILED, atMs: monotonicMs() });
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

/** The directories as of when all of them could be read; before that, what could be. */
function openSeen(): (dirs: Reading<readonly LogDirectory[]>) => readonly LogDirectory[] {
  let whole: readonly LogDirectory[] = [];
  return (dirs) => {
    const told = dirs.kind === "read" ? dirs.value : [];
    if (unreadDirs(told).length === 0 && told.length > 0) whole = told;
    return whole.length > 0 ? whole : told;
  };
}

/** By topic, how many replicas are here; those on their way into another directory not twice. */
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
  const here = `${counted(replicas, "replica")} here of topics that are not shown to us`;
  const names = someOf(topics);
  const reason =
    why === "refused"
      ? `${here} (missing permission: DESCRIBE on topic ${names})`
      : `${here}: whether ${names} may not be seen or was deleted could not be asked`;
  return { replicas, reason };
}
