/** What a check of the broker sidecar is: a pure function from one snapshot to a verdict. */
import type { BrokerSnapshot } from "../snapshot.ts";

/** Worst first. `unknown`: we could not look, which is not the same as broken. `skipped`: there is nothing to look at here. */
export const STATUSES = ["fail", "unknown", "warn", "pass", "skipped"] as const;
export type CheckStatus = (typeof STATUSES)[number];

/** A cause before what follows of it: the first that fails is the one that a probe names. */
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
  /** How long the reads took that it rests on; 0 when none was needed. */
  readonly durationMs: number;
  /**
   * Of an `unknown`: it was asked and gave no answer, and neither we ourselves, nor a quota, nor a recovery
   * that makes progress is why. `LIVENESS=cluster` counts that as the original does.
   */
  readonly isUnanswered?: true;
};

export type CheckSettings = {
  readonly futureReplicas: "warn" | "fail";
  /** Share of a log directory's volume, 0 to 1, below which free space is a warning. */
  readonly diskFreeWarn: number;
  /** Between the restarts of brokers that are all silent at the same time; 0: no brake. */
  readonly livenessBrakeMs: number;
  /** Nobody looks round after round: what only a second look can tell is looked at again, not assumed. */
  readonly isOneOff?: boolean;
};

/** `before`: of the round before, to tell progress; a verdict's status never rests on it but in recovery. */
export type Check = (
  snapshot: BrokerSnapshot,
  settings: CheckSettings,
  before?: BrokerSnapshot,
) => Verdict;
