/**
 * Kafka's memory as Prometheus metrics: the original's eight gauges, without labels, and gauges for whose
 * memory it is. A value that is not known is absent, never 0.
 */
import type { Clock } from "../../../shared/clock.ts";
import type { Log } from "../../../shared/log.ts";
import type { Metrics } from "../../../shared/metrics.ts";
import type { Memory, MemoryReader, MemorySource } from "./cgroup.ts";
import { type MemoryFigures, workingSetBytes } from "./cgroup-files.ts";

/** Concurrent scrapes share one reading. */
const FRESH_MS = 1000;

type Series = {
  readonly help: string;
  /** Undefined: not known, or there is no limit. */
  readonly value: (figures: MemoryFigures) => number | undefined;
};

const share = (bytes: number, limitBytes: number | undefined): number | undefined =>
  limitBytes === undefined || limitBytes === 0 ? undefined : bytes / limitBytes;

const SERIES = {
  kafka_memory_usage_bytes: {
    help: "Memory of Kafka's cgroup, page cache included",
    value: (f) => f.usageBytes,
  },
  kafka_memory_limit_bytes: {
    help: "Lowest memory limit in effect for Kafka's cgroup; absent without one",
    value: (f) => f.limitBytes,
  },
  kafka_memory_rss_bytes: {
    help: "Anonymous memory of Kafka's cgroup",
    value: (f) => f.rssBytes,
  },
  kafka_memory_inactive_file_bytes: {
    help: "Page cache that the kernel reclaims first",
    value: (f) => f.inactiveFileBytes,
  },
  kafka_memory_working_set_bytes: {
    help: "Usage without inactive page cache",
    value: workingSetBytes,
  },
  kafka_memory_non_reclaimable_bytes: {
    help: "Memory that cannot be reclaimed: rss",
    value: (f) => f.rssBytes,
  },
  kafka_memory_oom_ratio: {
    help: "Working set as a share of the limit; absent without a limit",
    value: (f) => share(workingSetBytes(f), f.limitBytes),
  },
  kafka_memory_oom_floor_ratio: {
    help: "Rss as a share of the limit; absent without a limit",
    value: (f) => share(f.rssBytes, f.limitBytes),
  },
} as const satisfies Record<string, Series>;

const SOURCE_HELP = {
  kafka: "1 while kafka_memory_* are of the cgroup of Kafka's process",
  self: "1 while kafka_memory_* are of the sidecar's own cgroup (KAFKA_CGROUP=self)",
  path: "1 while kafka_memory_* are of the directory that KAFKA_CGROUP names",
  none: "1 while kafka_memory_* are absent; /about says why",
} as const satisfies Record<MemorySource | "none", string>;

/** For `/about` and the log: whose memory is read, and where, or why there is none. */
export type MemoryStory = { readonly source: keyof typeof SOURCE_HELP; readonly detail: string };

export type MemoryGauges = {
  /** Reads again when the last reading is too old; each scrape calls it. */
  readonly refresh: () => void;
  /** From a fresh reading. */
  readonly story: () => MemoryStory;
};

export type MemoryGaugesOptions = {
  readonly metrics: Metrics;
  readonly memory: MemoryReader;
  readonly log: Log;
  readonly clock: Clock;
};

export function openMemoryGauges({
  metrics,
  memory,
  log,
  clock: { monotonicMs },
}: MemoryGaugesOptions): MemoryGauges {
  const series = Object.entries(SERIES).map(([name, { help, value }]) => {
    const gauge = metrics.gauge({ name, help });
    return (figures: MemoryFigures | undefined) => {
      const now = figures === undefined ? undefined : value(figures);
      if (now === undefined) gauge.unset();
      else gauge.set(now);
    };
  });
  const sources = Object.entries(SOURCE_HELP).map(([source, help]) => {
    const gauge = metrics.gauge({ name: `outrider_broker_memory_source_${source}`, help });
    return (now: string) => gauge.set(now === source ? 1 : 0);
  });
  const countKills = openOomKills(metrics);
  let last: { readonly atMs: number; readonly story: MemoryStory } | undefined;

  const refresh = (): void => {
    const atMs = monotonicMs();
    if (last !== undefined && atMs - last.atMs < FRESH_MS) return;
    const reading = memory.read();
    const story = storyOf(reading);
    for (const show of series) show(reading.kind === "read" ? reading.figures : undefined);
    for (const show of sources) show(story.source);
    countKills(reading);
    if (last?.story.detail !== story.detail) log.info("Kafka's memory", { ...story });
    last = { atMs, story };
  };
  metrics.beforeText(refresh);
  return {
    refresh,
    story: () => {
      refresh();
      return last?.story ?? storyOf(memory.read());
    },
  };
}

const storyOf = (reading: Memory): MemoryStory =>
  reading.kind === "read"
    ? { source: reading.source, detail: reading.detail }
    : { source: "none", detail: reading.reason };

/** The kernel counts from the cgroup's creation. Another cgroup starts at 0; what was counted before stays. */
function openOomKills(metrics: Metrics): (reading: Memory) => void {
  const counter = metrics.counter({
    name: "outrider_broker_oom_kills_total",
    help: "Processes of Kafka's cgroup that the kernel killed for lack of memory",
  });
  let last = { cgroup: "", kills: 0 };
  return (reading) => {
    if (reading.kind !== "read" || reading.figures.oomKills === undefined) return;
    const now = { cgroup: reading.cgroup, kills: reading.figures.oomKills };
    counter.add(now.cgroup === last.cgroup ? Math.max(0, now.kills - last.kills) : now.kills);
    last = now;
  };
}
