/** One step of `check kafka`: what it found, and what to do when something is wrong. */
import { EXIT } from "../../exit.ts";
import { exitCodeOf, type KafkaError } from "../error.ts";

/** Passed, passed with a warning, or failed. */
export type Finding =
  | { readonly outcome: "ok" | "warning"; readonly detail: string }
  | {
      readonly outcome: "failed";
      readonly exit: 69 | 77;
      readonly detail: string;
      /** What to do, in sentences. */
      readonly advice: string;
    };

export type Failure = Extract<Finding, { readonly outcome: "failed" }>;

/** A finding with its name; `ms` is undefined if it follows from an earlier answer. */
export type CheckStep = {
  /** Such as `tls kafka-0:9093`. */
  readonly name: string;
  readonly ms: number | undefined;
  readonly finding: Finding;
};

export const passed = (detail: string): Finding => ({ outcome: "ok", detail });
export const warned = (detail: string): Finding => ({ outcome: "warning", detail });

export const refused = (detail: string, advice: string): Failure => ({
  outcome: "failed",
  exit: EXIT.refused,
  detail,
  advice,
});

export const unreachable = (detail: string, advice: string): Failure => ({
  outcome: "failed",
  exit: EXIT.unavailable,
  detail,
  advice,
});

/** 77 if Kafka or TLS refused us, 69 for the rest, including a broker that answers nonsense. */
export const failedBy = (error: KafkaError, advice: string): Failure =>
  exitCodeOf(error) === EXIT.refused
    ? refused(error.detail, advice)
    : unreachable(error.detail, advice);

/** Runs a step and measures its duration. */
export async function timed(name: string, work: () => Promise<Finding>): Promise<CheckStep> {
  const sinceMs = performance.now();
  const finding = await work();
  return { name, ms: Math.round(performance.now() - sinceMs), finding };
}

const NAME_CHARS = 40;
const OUTCOME_CHARS = 7;
const MS_CHARS = 8;

/** `ok      tls kafka-0:9093    12 ms  TLSv1.3, ...` */
export function stepLine({ name, ms, finding }: CheckStep): string {
  const outcome = finding.outcome === "failed" ? "FAILED" : finding.outcome;
  const took = ms === undefined ? "" : `${ms} ms`;
  const columns = [
    outcome.padEnd(OUTCOME_CHARS),
    name.padEnd(NAME_CHARS),
    took.padStart(MS_CHARS),
    finding.detail,
  ];
  return columns.join("  ").trimEnd();
}
