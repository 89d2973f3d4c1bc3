/** What can go wrong with Kafka, as values. */

import { type Call, within } from "../deadline.ts";
import { err, ok, type Result } from "../result.ts";
import { isKnownCode, type KafkaErrorCode, meaningOf } from "./error-code.ts";

export type KafkaError = {
  readonly code: KafkaErrorCode;
  /** transient: the same call may succeed later. terminal: it will not, unless something else changes. */
  readonly retry: "transient" | "terminal";
  /** For a person: what was tried, and what happened. Never a secret. */
  readonly detail: string;
  readonly cause?: unknown;
  /** A quota of the broker delayed the call: the error says nothing about the broker's health. */
  readonly isThrottled?: true;
};

const EXIT_UNREACHABLE = 69;
const EXIT_DEFECT = 70;
const EXIT_REFUSED = 77;

/** sysexits.h: 69 Kafka cannot be reached in time, 77 it refuses us, 70 anything else. */
export function exitCodeOf(error: KafkaError): 69 | 70 | 77 {
  switch (error.code) {
    case "unreachable":
    case "timeout":
      return EXIT_UNREACHABLE;
    case "authentication":
    case "authorization":
      return EXIT_REFUSED;
    case "unknown-topic":
    case "not-leader":
    case "offset-out-of-range":
    case "fenced":
    case "rebalancing":
    case "not-coordinator":
    case "group-not-empty":
    case "group-not-found":
    case "topic-exists":
    case "too-large":
    case "unsupported":
    case "invalid":
    case "broker":
      return EXIT_DEFECT;
  }
}

/**
 * A refusal by the broker as a value.
 * @param whatWasTried such as `write to topic cluster.registry`
 * @param permission what an ACL must allow, such as `WRITE on topic cluster.registry`
 */
export function protocolError(
  errorCode: number,
  whatWasTried: string,
  permission?: string,
  message?: string | null,
): KafkaError {
  const { name, code, retry } = meaningOf(errorCode);
  const missing = code === "authorization" ? ` (missing permission: ${permission ?? name})` : "";
  const said = message === undefined || message === null || message === "" ? "" : `: ${message}`;
  return { code, retry, detail: `${whatWasTried}: Kafka answered ${name}${said}${missing}` };
}

export function timeoutError(whatWasTried: string, deadlineMs: number): KafkaError {
  return {
    code: "timeout",
    retry: "transient",
    detail: `${whatWasTried}: no answer within ${deadlineMs} ms`,
  };
}

export function abortedError(whatWasTried: string): KafkaError {
  return { code: "timeout", retry: "transient", detail: `${whatWasTried}: stopped by us` };
}

/**
 * Errors of the network. They are checked first: a broker's name, which is part of many texts, may contain
 * any of the words below.
 */
const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "EPIPE",
]);
/**
 * Errors of OpenSSL and Node when one side does not accept the other; not a connection that only ended
 * during the handshake.
 */
const TLS_REFUSAL =
  /certificate|CERT_|SSL routines|ERR_SSL|ERR_TLS_|tlsv1 alert|SSL alert|ssl\/tls alert/i;
/** kafkajs makes a SASL error of whatever ends the exchange, and keeps only the text of the cause. */
const SASL_CUT_OFF =
  /Closed connection|Connection error|Connection timeout|Connection closed|Not connected|timed out/;
// A TLS or password file (dial.ts) in the middle of a rotation; it may soon be complete again.
const FILE_REFUSAL = /(ENOENT|EACCES|EISDIR|EPERM)[^']*'|TLS files? .+ cannot be used/;

/** The errors in which kafkajs's retrier wraps others; of a protocol error it keeps only the text. */
const WRAPPERS: readonly string[] = ["KafkaJSNonRetriableError", "KafkaJSNumberOfRetriesExceeded"];

/** The innermost error. */
export function originalOf(cause: unknown): unknown {
  let original = cause;
  while (original instanceof Error && WRAPPERS.includes(original.name)) {
    if (!(original.cause instanceof Error)) break;
    original = original.cause;
  }
  return original;
}

/** Turns what kafkajs, a socket or a file threw into a KafkaError. */
export function kafkaErrorOf(thrown: unknown, whatWasTried: string): KafkaError {
  const cause = originalOf(thrown);
  const message = textOf(cause, "message");
  const known = protocolNumber(cause);
  if (known !== undefined) {
    const said = protocolError(known, whatWasTried, undefined, message);
    return { ...said, cause };
  }
  const [code, retry] = judge(cause, message);
  const detail = `${whatWasTried}: ${message === "" ? String(cause) : message}`;
  return { code, retry, detail, cause };
}

/** The promise's outcome as a value, by the call's deadline and signal. `onLate`: see `within`. */
export async function bounded<T>(
  promise: Promise<T>,
  call: Call,
  whatWasTried: string,
  onLate?: () => void,
): Promise<Result<T, KafkaError>> {
  const ended = await within(promise, call, onLate);
  switch (ended.kind) {
    case "done":
      return ok(ended.value);
    case "failed":
      return err(kafkaErrorOf(ended.cause, whatWasTried));
    case "late":
      return err(timeoutError(whatWasTried, Math.round(call.deadlineMs)));
    case "aborted":
      return err(abortedError(whatWasTried));
  }
}

function judge(cause: unknown, message: string): readonly [KafkaErrorCode, KafkaError["retry"]] {
  const name = textOf(cause, "name");
  const code = textOf(cause, "code");
  if (UNREACHABLE_CODES.has(code)) return ["unreachable", "transient"];
  if (FILE_REFUSAL.test(message)) return ["invalid", "transient"];
  if (name === "KafkaJSSASLAuthenticationError") {
    if (SASL_CUT_OFF.test(message)) return ["unreachable", "transient"];
    return ["authentication", "terminal"];
  }
  if (TLS_REFUSAL.test(`${message} ${code}`)) return ["authentication", "terminal"];
  if (name === "KafkaJSServerDoesNotSupportApiKey") return ["unsupported", "terminal"];
  if (cause instanceof RangeError || cause instanceof TypeError) return ["broker", "transient"];
  return ["unreachable", "transient"];
}

function protocolNumber(cause: unknown): number | undefined {
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return undefined;
  return typeof cause.code === "number" && isKnownCode(cause.code) ? cause.code : undefined;
}

function textOf(cause: unknown, field: "name" | "message" | "code"): string {
  if (typeof cause !== "object" || cause === null) return "";
  const found: unknown = Reflect.get(cause, field);
  return typeof found === "string" ? found : "";
}
