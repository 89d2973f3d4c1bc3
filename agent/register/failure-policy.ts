/**
 * What a Helm hook forgives. A chart decides whether a release goes on; the exit code is all that it
 * sees, so what is forgiven exits with 0 and says so.
 */
import { EXIT } from "../../shared/exit.ts";
import type { CommandOutcome } from "../outcome.ts";

/**
 * `unconfirmed`: Kafka has the record, and whether the worker runs is not known. `everything`: whatever
 * went wrong; silence ends a worker that no tombstone has ended.
 */
export type FailurePolicy = "nothing" | "unconfirmed" | "everything";

/** The record is in Kafka: what is missing is an answer. */
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
