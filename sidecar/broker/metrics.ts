/**
 * The broker sidecar's own metrics; docs/operating.md lists them. What was not read, or is too old, is
 * absent, not 0. Kafka's memory is in `memory/metrics.ts`.
 */
import type { Metrics } from "../../shared/metrics.ts";
import { CHECKS, STATUSES } from "./check/check.ts";
import type { EvaluatedRound } from "./check/evaluate.ts";
import { type ProbeStatus, probeStatus, type Readings } from "./probe/status.ts";
import { PROBE_PATHS, type ProbePath } from "./routes.ts";
import type { LogDirectory } from "./snapshot.ts";

const ROUND_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];
const PROBE_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1];
/** Log directories with a label of their own; further ones are `_other`. */
const DIRS_MAX = 32;

export type BrokerMetrics = {
  readonly round: (round: EvaluatedRound) => void;
  readonly probed: (path: ProbePath, tookMs: number) => void;
};

export function openBrokerMetrics(metrics: Metrics, readings: Readings): BrokerMetrics {
  const rounds = metrics.counter({
    name: "outrider_broker_rounds_total",
    help: "Rounds of reads that ended",
  });
  const partial = metrics.counter({
    name: "outrider_broker_rounds_failed_total",
    help: "Rounds in which at least one check was unknown",
  });
  const seconds = metrics.histogram({
    name: "outrider_broker_round_seconds",
    help: "Duration of a round's reads and checks",
    buckets: ROUND_SECONDS,
  });
  const probes = metrics.histogram({
    name: "outrider_broker_probe_seconds",
    help: "Time to make a probe's answer, without HTTP itself",
    labels: { path: PROBE_PATHS },
    buckets: PROBE_SECONDS,
  });
  const shows = [openChecks(metrics), openFigures(metrics), openDirs(metrics)];
  metrics.beforeText(() => {
    const now = probeStatus(readings);
    for (const show of shows) show(now);
  });
  return {
    round: ({ judgement, tookMs }) => {
      rounds.add(1);
      if (judgement.verdicts.some(({ status }) => status === "unknown")) partial.add(1);
      seconds.observe(tookMs / 1000);
    },
    probed: (path, tookMs) => probes.observe(tookMs / 1000, { path }),
  };
}

type Show = (now: ProbeStatus) => void;

function openChecks(metrics: Metrics): Show {
  const state = metrics.gauge({
    name: "outrider_broker_check_state",
    help: "1 at the present status of each check",
    labels: { check: CHECKS, status: STATUSES },
  });
  return ({ verdicts }) => {
    state.clear();
    for (const { check, status } of verdicts) state.set(1, { check, status });
  };
}

function openFigures(metrics: Metrics): Show {
  const shown = (name: string, help: string, read: (now: ProbeStatus) => number | undefined) => {
    const gauge = metrics.gauge({ name: `outrider_broker_${name}`, help });
    return (now: ProbeStatus) => {
      const value = read(now);
      if (value === undefined) gauge.unset();
      else gauge.set(value);
    };
  };
  const all = [
    shown("round_age_seconds", "Age of the last round; absent before the first", ({ ageMs }) =>
      ageMs === null ? undefined : ageMs / 1000,
    ),
    shown(
      "under_replicated_partitions",
      "Partitions with a replica on this broker that is not in the ISR",
      ({ judgement }) => judgement?.figures.underReplicated,
    ),
    shown(
      "offline_partitions",
      "Partitions of the cluster that have no leader",
      ({ judgement }) => judgement?.figures.offline,
    ),
    shown(
      "quorum_lag_records",
      "Records of the metadata log that this node lacks",
      ({ judgement }) => judgement?.figures.quorumLag?.records,
    ),
    shown(
      "quorum_lag_seconds",
      "Time since this node was caught up with the metadata log, by the leader's clock",
      ({ judgement }) => lagSeconds(judgement?.figures.quorumLag?.ms),
    ),
  ];
  return (now) => {
    for (const show of all) show(now);
  };
}

const lagSeconds = (ms: number | "never" | undefined): number | undefined =>
  typeof ms === "number" ? ms / 1000 : undefined;

function openDirs(metrics: Metrics): Show {
  const labels = { dir: { valuesMax: DIRS_MAX } } as const;
  const perDir = (name: string, help: string, read: (dir: LogDirectory) => number | undefined) => {
    const gauge = metrics.gauge({ name: `outrider_broker_${name}`, help, labels });
    return (dirs: readonly LogDirectory[]) => {
      gauge.clear();
      for (const dir of dirs) {
        const value = read(dir);
        if (value !== undefined && value >= 0) gauge.set(value, { dir: dir.path });
      }
    };
  };
  const all = [
    perDir("log_dir_online", "1 while the log directory is online", ({ errorCode }) =>
      errorCode === 0 ? 1 : 0,
    ),
    perDir(
      "log_dir_bytes",
      "Size of the replicas in the log directory",
      (dir) => dir.contents?.sizeBytes,
    ),
    perDir("log_dir_total_bytes", "Size of its volume", (dir) => dir.totalBytes),
    perDir("log_dir_free_bytes", "Free space on its volume", (dir) => dir.usableBytes),
  ];
  return ({ judgement }) => {
    for (const show of all) show(judgement?.figures.logDirs ?? []);
  };
}
