/**
 * Reads partitions without a consumer group: one fetch loop per leader for all of its partitions, and one
 * watch of the topics' metadata.
 *
 * Invariants: a partition without a reachable leader stops no other; transient failures are retried for
 * ever; `deliver` is awaited before the next fetch of that broker; after `add`, `remove` and `close`
 * nothing of the earlier position is delivered.
 */

import { sleep, systemClock } from "../../clock.ts";
import { repeat, type Turn } from "../../retry.ts";
import type { FetchLimits } from "../api/fetch.ts";
import type { KafkaClient } from "../cluster/client.ts";
import { METADATA_AGE_MAX_MS } from "../cluster/metadata-cache.ts";
import type { KafkaLog } from "../log.ts";
import type { ReadBatch, ReadPosition, ReadProblem } from "./delivery.ts";
import { openFetchLoop } from "./fetch-loop.ts";
import { type ConsumerHealth, openHealth } from "./health.ts";
import { openPositions, type Positions } from "./positions.ts";
import { type TopicWatch, watchTopics } from "./topic-watch.ts";

const MAX_WAIT_DEFAULT_MS = 200;
const MAX_BYTES_DEFAULT = 8 * 1024 * 1024;
const METADATA_CALL_MS = 5000;
/** Never faster than that, even when something asks for it again and again. */
const LOOK_LEAST_MS = 50;
const PACE = { baseMs: 50, maxMs: 2000, clock: systemClock };

export type ConsumerOptions = {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
  readonly positions: readonly ReadPosition[];
  readonly deliver: (batch: ReadBatch) => Promise<void> | void;
  readonly problem: (problem: ReadProblem) => void;
  readonly maxWaitMs?: number;
  readonly maxBytes?: number;
};

export type Consumer = {
  /** Begins at, or moves to, a position. */
  readonly add: (position: ReadPosition) => void;
  readonly remove: (topic: string, partition: number) => void;
  readonly positions: () => readonly ReadPosition[];
  /** Resolves when nothing is delivered any more. */
  readonly close: () => Promise<void>;
};

let readers = 0;

export function openConsumer(options: ConsumerOptions): Consumer {
  const { client } = options;
  readers += 1;
  const lane = `fetch-${readers}`;
  const stop = new AbortController();
  const positions = openPositions(options.positions);
  const health = openHealth(options.problem);
  const topics = watchTopics(options.problem);
  const loops = new Map<number, Promise<void>>();
  let look = new AbortController();

  /** Ends the watch's wait, because something has changed, or may have. */
  const lookNow = () => look.abort();

  const context = { ...options, lane, positions, health, topics, signal: stop.signal, lookNow };
  const loop = openFetchLoop({ ...context, limits: limitsOf(options) });

  const startLoops = () => {
    for (const leader of positions.leaders()) {
      if (loops.has(leader)) continue;
      const ended = loop(leader).finally(() => {
        loops.delete(leader);
        lookNow();
      });
      loops.set(leader, ended);
    }
  };

  const watch = async (): Promise<Turn> => {
    look = new AbortController();
    const settled = await refresh(context);
    startLoops();
    if (!settled) return "failed";
    await sleep(LOOK_LEAST_MS * systemClock.random(), stop.signal);
    await sleep(METADATA_AGE_MAX_MS, AbortSignal.any([look.signal, stop.signal]));
    return "again";
  };
  const watched = repeat(watch, PACE, stop.signal);

  return {
    add: (position) => {
      positions.add(position);
      lookNow();
    },
    remove: positions.remove,
    positions: positions.list,
    close: async () => {
      stop.abort();
      client.closeLane(lane);
      await watched;
      await Promise.all(loops.values());
    },
  };
}

type Context = {
  readonly client: KafkaClient;
  readonly positions: Positions;
  readonly health: ConsumerHealth;
  readonly topics: TopicWatch;
  readonly signal: AbortSignal;
};

/** @returns false when a partition has no leader, or something could not be asked: look again soon */
async function refresh({ client, positions, health, topics, signal }: Context): Promise<boolean> {
  const names = positions.topics();
  if (names.length === 0) return true;
  const asked = await client.metadata(names, { deadlineMs: METADATA_CALL_MS, signal });
  if (signal.aborted) return true;
  health.note("metadata", asked.ok ? undefined : asked.error);
  if (!asked.ok) return false;
  topics.see(asked.value.topics, names);
  const settled = positions.lead(asked.value, health.note);
  health.keep(positions.sources());
  return settled;
}

function limitsOf(options: ConsumerOptions): FetchLimits {
  const maxBytes = options.maxBytes ?? MAX_BYTES_DEFAULT;
  return {
    maxWaitMs: options.maxWaitMs ?? MAX_WAIT_DEFAULT_MS,
    maxBytes,
    partitionMaxBytes: maxBytes,
  };
}
