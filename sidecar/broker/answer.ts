/** What a failed sign of life says about the local listener; test/sidecar/broker/answer.test.ts has the table. Pure. */
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { Answer } from "./reading.ts";

/** Our own surroundings kept us from asking. */
const OURS: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
]);
/** The kernel gave up: nobody took the connection, and nobody refused it. */
const UNANSWERED = "ETIMEDOUT";

/**
 * @param heard whether anything came over the connection that failed: who says something, lives.
 * @param durationMs observed
 */
export function answerOf(error: KafkaError, heard: boolean, durationMs: number): Answer {
  const { detail } = error;
  if (heard || error.code === "authentication") return { kind: "refused-us", detail, durationMs };
  // A TLS file or a password that cannot be read.
  if (error.code === "invalid") return { kind: "not-asked", detail, durationMs };
  const errno = errnoOf(error.cause);
  if (OURS.has(errno)) return { kind: "not-asked", detail, durationMs };
  if (error.code === "timeout" || errno === UNANSWERED) {
    return { kind: "silent", detail, durationMs };
  }
  return { kind: "closed", detail, durationMs };
}

function errnoOf(cause: unknown): string {
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return "";
  return typeof cause.code === "string" ? cause.code : "";
}
