/**
 * What a failed ping says about the local listener; test/sidecar/broker/read/listener.test.ts has the
 * table. Pure.
 */

import type { Reached } from "../../../shared/kafka/connection/connection.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { errnoOf } from "../../../shared/linux/errno.ts";
import type { ListenerAnswer } from "../snapshot.ts";

/** Faults on our side that keep us from asking. */
const OURS: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
]);
/** Nobody listens: the only fault of a listener that the kernel itself reports. */
const REFUSED = "ECONNREFUSED";
/** The kernel gave up: the connection was neither accepted nor refused. */
const UNANSWERED = "ETIMEDOUT";

/** Errors that we find in its certificate (OpenSSL's and Node's codes), unlike an alert that it sends. */
const OUR_VERDICT =
  /^(?:CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|ERR_TLS_CERT_)/u;

/** A broker that has said this much, and then closes the connection, refuses us. */
const SPOKE: ReadonlySet<Reached> = new Set(["secured", "heard", "open"]);

/**
 * @param reached the stage that the failed connection had reached @param durationMs observed
 */
export function answerOf(error: KafkaError, reached: Reached, durationMs: number): ListenerAnswer {
  const { detail } = error;
  if (error.code === "authentication") {
    const isOurs = OUR_VERDICT.test(errnoOf(error.cause));
    return { kind: "refused-us", detail, durationMs, ...(isOurs ? { by: "us" } : {}) };
  }
  // A TLS file or a password that cannot be read, or used.
  if (error.code === "invalid") return { kind: "not-asked", detail, durationMs };
  const errno = errnoOf(error.cause);
  if (error.code === "timeout" || errno === UNANSWERED) {
    return silenceOf(detail, reached, durationMs);
  }
  if (SPOKE.has(reached)) return { kind: "refused-us", detail, durationMs };
  if (OURS.has(errno)) return { kind: "not-asked", detail, durationMs };
  // The kernel, or a proxy, accepted it; this does not show whether Kafka is alive.
  if (reached === "connected") return { kind: "cut", detail, durationMs };
  const kind = errno === REFUSED ? "closed" : "not-asked";
  return { kind, detail, durationMs };
}

/**
 * Kafka's network threads do TLS and, with SASL, everything up to the end of authentication, even while its
 * request handlers hang. So only an answer of the request handlers counts, on an open connection.
 */
function silenceOf(detail: string, reached: Reached, durationMs: number): ListenerAnswer {
  switch (reached) {
    case "nothing": {
      const unresolved = `${detail}: its name was not resolved by then`;
      return { kind: "not-asked", detail: unresolved, durationMs };
    }
    case "resolved":
      return { kind: "silent", connected: false, detail, durationMs };
    case "heard":
      return { kind: "refused-us", detail, durationMs };
    case "connected":
    case "secured":
    case "open":
      return { kind: "silent", connected: true, detail, durationMs };
  }
}
