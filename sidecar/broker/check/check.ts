/** What a check of the broker sidecar is: a pure function from one snapshot to a verdict. */
import type { BrokerSnapshot } from "../snapshot.ts";

/**
 * Worst first. `unknown`: could not be checked, which is not the same as broken. `skipped`: there is
 * nothing to check here.
 */
export const STATUSES = ["fail", "unknown", "warn", "pass", "skipped"] as const;
export type CheckStatus = (typeof STATUSES)[number];

/** Causes come before their effects: a probe names the first check that fails. */
export const CHECKS = [
  "broker-answers",
  "broker-started",
  "broker-identity",
  "broker-registered",
  "quorum-leader",
  "metadata-caught-up",
  "log-directories",
  "replicas-in-sync",
  "followers-in-sync",
  "future-replicas",
  "disk-free",
  "restart-safe",
] as const;
export type CheckName = (typeof CHECKS)[number];

export type Verdict = {
  readonly check: CheckName;
  readonly status: CheckStatus;
  /** One sentence for an operator: the number seen, the limit, and the names concerned. */
  readonly reason: string;
  /** How long its reads took; 0 when none was needed. */
  readonly durationMs: number;
  /**
   * For an `unknown`: Kafka was asked and did not answer, and the cause is neither our own fault, nor a
   * quota, nor a recovery that makes progress. With `LIVENESS=cluster` such a verdict closes liveness, as
   * in the original.
   */
  readonly isUnanswered?: true;
};

export type CheckSettings = {
  readonly futureReplicas: "warn" | "fail";
  /** Share of a log directory's volume, 0 to 1, below which free space is a warning. */
  readonly diskFreeWarn: number;
  /** Time between the restarts of brokers that are all silent at the same time; 0: no brake. */
  readonly livenessBrakeMs: number;
  /** There are no further rounds: what only a second round can show must be checked again at once, not assumed. */
  readonly isOneOff?: boolean;
};

/** `before`: the snapshot of the last round, to show progress; only in recovery does it decide a verdict's status. */
export type Check = (
  snapshot: BrokerSnapshot,
  settings: CheckSettings,
  before?: BrokerSnapshot,
) => Verdict;
