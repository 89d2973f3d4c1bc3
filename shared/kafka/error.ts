/** What can go wrong with Kafka, as values. Protocol error codes: https://kafka.apache.org/protocol#protocol_error_codes */
import { type Call, within } from "../deadline.ts";
import { err, ok, type Result } from "../result.ts";

export type KafkaErrorCode =
  | "unreachable"
  | "timeout"
  | "authentication"
  | "authorization"
  | "unknown-topic"
  | "not-leader"
  | "offset-out-of-range"
  | "fenced"
  | "rebalancing"
  | "not-coordinator"
  | "group-not-empty"
  | "group-not-found"
  | "topic-exists"
  | "too-large"
  | "unsupported"
  | "invalid"
  | "broker";

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

type Row = readonly [name: string, code: KafkaErrorCode, retry: "transient" | "terminal"];

/** By protocol error code; any other code is `broker`, transient. */
const ROWS: Readonly<Record<number, Row>> = {
  1: ["OFFSET_OUT_OF_RANGE", "offset-out-of-range", "terminal"],
  2: ["CORRUPT_MESSAGE", "broker", "transient"],
  3: ["UNKNOWN_TOPIC_OR_PARTITION", "unknown-topic", "transient"],
  5: ["LEADER_NOT_AVAILABLE", "not-leader", "transient"],
  6: ["NOT_LEADER_OR_FOLLOWER", "not-leader", "transient"],
  7: ["REQUEST_TIMED_OUT", "timeout", "transient"],
  8: ["BROKER_NOT_AVAILABLE", "not-leader", "transient"],
  9: ["REPLICA_NOT_AVAILABLE", "not-leader", "transient"],
  10: ["MESSAGE_TOO_LARGE", "too-large", "terminal"],
  13: ["NETWORK_EXCEPTION", "unreachable", "transient"],
  14: ["COORDINATOR_LOAD_IN_PROGRESS", "not-coordinator", "transient"],
  15: ["COORDINATOR_NOT_AVAILABLE", "not-coordinator", "transient"],
  16: ["NOT_COORDINATOR", "not-coordinator", "transient"],
  17: ["INVALID_TOPIC_EXCEPTION", "invalid", "terminal"],
  18: ["RECORD_LIST_TOO_LARGE", "too-large", "terminal"],
  19: ["NOT_ENOUGH_REPLICAS", "broker", "transient"],
  20: ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", "broker", "transient"],
  22: ["ILLEGAL_GENERATION", "fenced", "terminal"],
  23: ["INCONSISTENT_GROUP_PROTOCOL", "invalid", "terminal"],
  24: ["INVALID_GROUP_ID", "invalid", "terminal"],
  25: ["UNKNOWN_MEMBER_ID", "fenced", "terminal"],
  26: ["INVALID_SESSION_TIMEOUT", "invalid", "terminal"],
  27: ["REBALANCE_IN_PROGRESS", "rebalancing", "transient"],
  29: ["TOPIC_AUTHORIZATION_FAILED", "authorization", "terminal"],
  30: ["GROUP_AUTHORIZATION_FAILED", "authorization", "terminal"],
  31: ["CLUSTER_AUTHORIZATION_FAILED", "authorization", "terminal"],
  33: ["UNSUPPORTED_SASL_MECHANISM", "authentication", "terminal"],
  34: ["ILLEGAL_SASL_STATE", "authentication", "terminal"],
  35: ["UNSUPPORTED_VERSION", "unsupported", "terminal"],
  36: ["TOPIC_ALREADY_EXISTS", "topic-exists", "terminal"],
  37: ["INVALID_PARTITIONS", "invalid", "terminal"],
  38: ["INVALID_REPLICATION_FACTOR", "invalid", "transient"],
  40: ["INVALID_CONFIG", "invalid", "terminal"],
  41: ["NOT_CONTROLLER", "not-leader", "transient"],
  42: ["INVALID_REQUEST", "invalid", "terminal"],
  44: ["POLICY_VIOLATION", "invalid", "terminal"],
  56: ["KAFKA_STORAGE_ERROR", "not-leader", "transient"],
  58: ["SASL_AUTHENTICATION_FAILED", "authentication", "terminal"],
  68: ["NON_EMPTY_GROUP", "group-not-empty", "transient"],
  69: ["GROUP_ID_NOT_FOUND", "group-not-found", "terminal"],
  74: ["FENCED_LEADER_EPOCH", "not-leader", "transient"],
  75: ["UNKNOWN_LEADER_EPOCH", "not-leader", "transient"],
  76: ["UNSUPPORTED_COMPRESSION_TYPE", "unsupported", "terminal"],
  79: ["MEMBER_ID_REQUIRED", "rebalancing", "transient"],
  82: ["FENCED_INSTANCE_ID", "fenced", "terminal"],
  87: ["INVALID_RECORD", "invalid", "terminal"],
  100: ["UNKNOWN_TOPIC_ID", "unknown-topic", "transient"],
};

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
  const [name, code, retry] = ROWS[errorCode] ?? [`error ${errorCode}`, "broker", "transient"];
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
  return typeof cause.code === "number" && cause.code in ROWS ? cause.code : undefined;
}

function textOf(cause: unknown, field: "name" | "message" | "code"): string {
  if (typeof cause !== "object" || cause === null) return "";
  const found: unknown = Reflect.get(cause, field);
  return typeof found === "string" ? found : "";
}
