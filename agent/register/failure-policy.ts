/**
 * Which failures a Helm hook ignores. Helm sees only the exit code, so an ignored failure exits with 0 and
 * says so.
 */
import { EXIT } from "../../shared/exit.ts";
import type { CommandOutcome } from "../outcome.ts";

/**
 * `unconfirmed`: ignores that it is not known whether the worker runs, once Kafka has the record.
 * `everything`: ignores any failure; without a tombstone the worker ends by silence.
 */
export type FailurePolicy = "nothing" | "unconfirmed" | "everything";

/** The record is in Kafka, only the answer is missing. */
export const answerMissing = (
  outcome: CommandOutcome,
  failurePolicy: FailurePolicy,
): CommandOutcome =>
  failurePolicy === "nothing" || outcome.exit === EXIT.done
    ? outcome
    : { exit: EXIT.done, line: `WARNING: ${outcome.line ?? ""}` };

export const unlessIgnored = (
  outcome: CommandOutcome,
  failurePolicy: FailurePolicy,
): CommandOutcome =>
  failurePolicy !== "everything" || outcome.exit === EXIT.done
    ? outcome
    : {
        exit: EXIT.done,
        line: [
          `IGNORED, as --on-failure ignore says (else exit code ${outcome.exit}): ${outcome.line ?? ""}`,
          "Without a tombstone silence ends the cluster's worker, after the control plane's " +
            "CLEANUP_TIMEOUT; its consumer group is kept. At once: sidecar withdraw --client-id ID.",
        ].join("\n"),
      };
