/** What `sidecar ingest` counts: the seed's names, and ours. */
import type { Metrics } from "../../shared/metrics.ts";
import type { PartitionLag } from "./consume/partitions.ts";
import type { AppliedSlice } from "./store/transaction.ts";

const OPERATIONS = ["store", "cursor", "query", "snapshot", "retention"] as const;
export type DatabaseOperation = (typeof OPERATIONS)[number];
const PARTITIONS_MAX = 1000;
const DELAY_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600];

export type IngestMetrics = {
  readonly applied: (applied: AppliedSlice, delaySeconds: number | undefined) => void;
  readonly operation: (operation: DatabaseOperation, isOk: boolean) => void;
};

export function ingestMetrics(
  metrics: Metrics,
  lags: () => readonly PartitionLag[],
): IngestMetrics {
  const consumed = metrics.counter({
    name: "cluster_info_messages_consumed_total",
    help: "Records that were taken from the topic and are in the database, dead letters included",
  });
  const operations = metrics.counter({
    name: "cluster_info_database_operations_total",
    help: "Transactions and queries",
    labels: { operation: OPERATIONS, status: ["success", "error"] },
  });
  const deadLetters = metrics.counter({
    name: "outrider_ingest_dead_letters_total",
    help: "Records that were not taken; where they lie and why is in the table dead_letters",
  });
  const foreign = metrics.counter({
    name: "outrider_ingest_foreign_records_total",
    help: "Records of another life of their cluster: of an agent that ended, or of a second one",
  });
  const changes = metrics.counter({
    name: "outrider_ingest_rows_total",
    help: "Rows that were written, and versions that went to the history",
    labels: { change: ["written", "ended"] },
  });
  const checks = metrics.counter({
    name: "outrider_ingest_mark_checks_total",
    help: "Marks that were compared with the rows; unequal means that something was lost",
    labels: { result: ["equal", "unequal", "too-old"] },
  });
  const delay = metrics.histogram({
    name: "outrider_ingest_delay_seconds",
    help: "From the broker's time of the last record of a transaction to its commit",
    buckets: DELAY_BUCKETS,
  });
  lagGauge(metrics, lags);
  return {
    applied: (applied, delaySeconds) => {
      consumed.add(applied.records);
      deadLetters.add(applied.deadLetters.length);
      foreign.add(applied.foreign);
      changes.add(applied.upserted, { change: "written" });
      changes.add(applied.ended, { change: "ended" });
      for (const { equal } of applied.checked) checks.add(1, { result: resultOf(equal) });
      if (delaySeconds !== undefined) delay.observe(delaySeconds);
    },
    operation: (operation, isOk) =>
      operations.add(1, { operation, status: isOk ? "success" : "error" }),
  };
}

function resultOf(equal: boolean | undefined): "equal" | "unequal" | "too-old" {
  if (equal === undefined) return "too-old";
  return equal ? "equal" : "unequal";
}

function lagGauge(metrics: Metrics, lags: () => readonly PartitionLag[]): void {
  const lag = metrics.gauge({
    name: "outrider_ingest_lag_records",
    help: "Offsets of our partitions that are not in the database yet",
    labels: { partition: { valuesMax: PARTITIONS_MAX } },
  });
  metrics.beforeText(() => {
    lag.clear();
    for (const { partition, records } of lags()) {
      if (records !== undefined) lag.set(records, { partition: String(partition) });
    }
  });
}
