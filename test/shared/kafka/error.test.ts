import { describe, expect, test } from "bun:test";
import { exitCodeOf, kafkaErrorOf, protocolError } from "../../../shared/kafka/error.ts";
import type { KafkaErrorCode } from "../../../shared/kafka/error-code.ts";

describe("protocolError()", () => {
  const rows: readonly (readonly [
    number,
    KafkaErrorCode,
    "transient" | "terminal",
    69 | 70 | 77,
  ])[] = [
    [1, "offset-out-of-range", "terminal", 70],
    [3, "unknown-topic", "transient", 70],
    [6, "not-leader", "transient", 70],
    [7, "timeout", "transient", 69],
    [10, "too-large", "terminal", 70],
    [16, "not-coordinator", "transient", 70],
    [22, "fenced", "terminal", 70],
    [25, "fenced", "terminal", 70],
    [27, "rebalancing", "transient", 70],
    [29, "authorization", "terminal", 77],
    [35, "unsupported", "terminal", 70],
    [36, "topic-exists", "terminal", 70],
    [58, "authentication", "terminal", 77],
    [68, "group-not-empty", "transient", 70],
    [69, "group-not-found", "terminal", 70],
    [9999, "broker", "transient", 70],
  ];
  test.each(rows)("%d is %s, %s, exit code %d", (errorCode, code, retry, exit) => {
    const error = protocolError(errorCode, "try");
    expect([error.code, error.retry, exitCodeOf(error)]).toEqual([code, retry, exit]);
  });

  test("names the missing permission", () => {
    const { detail } = protocolError(29, "write to t/0", "WRITE on topic t");
    expect(detail).toContain("missing permission: WRITE on topic t");
  });
});

describe("kafkaErrorOf() judges what kafkajs's retrier wraps", () => {
  const refused = Object.assign(new Error("Not authorized to access group"), {
    name: "KafkaJSProtocolError",
    code: 30,
  });
  const wrapped = (name: string, cause: Error) =>
    Object.assign(new Error(cause.message, { cause }), { name });
  test.each([
    ["once", wrapped("KafkaJSNonRetriableError", refused)],
    [
      "twice",
      wrapped("KafkaJSNumberOfRetriesExceeded", wrapped("KafkaJSNonRetriableError", refused)),
    ],
  ])("%s", (_name, error) => {
    expect(kafkaErrorOf(error, "join")).toMatchObject({ code: "authorization", retry: "terminal" });
  });
  test("and a wrapper without a cause by itself", () => {
    const bare = Object.assign(new Error("no"), { name: "KafkaJSNonRetriableError" });
    expect(kafkaErrorOf(bare, "join")).toMatchObject({ code: "unreachable", cause: bare });
  });
});

describe("kafkaErrorOf()", () => {
  const named = (name: string, message: string) => Object.assign(new Error(message), { name });
  const rows: readonly (readonly [unknown, KafkaErrorCode])[] = [
    [named("KafkaJSSASLAuthenticationError", "SASL PLAIN authentication failed"), "authentication"],
    [
      named(
        "KafkaJSSASLAuthenticationError",
        "SASL PLAIN mechanism is not supported by the server",
      ),
      "authentication",
    ],
    [
      named(
        "KafkaJSSASLAuthenticationError",
        "SASL PLAIN authentication failed: Closed connection",
      ),
      "unreachable",
    ],
    [
      named("KafkaJSSASLAuthenticationError", "failed: ENOENT: no such file, open '/password'"),
      "invalid",
    ],
    [new Error("Connection error: getaddrinfo ENOTFOUND kafka.alert.svc"), "unreachable"],
    [
      Object.assign(new Error("getaddrinfo ENOTFOUND certificate.svc"), { code: "ENOTFOUND" }),
      "unreachable",
    ],
    [new Error("Connection error: ssl/tls alert bad certificate"), "authentication"],
    [new Error("tlsv1 alert unknown ca"), "authentication"],
    [new Error("self-signed certificate in certificate chain"), "authentication"],
    [new Error("Client network socket disconnected before secure TLS connection"), "unreachable"],
    [new Error("connect ECONNREFUSED 127.0.0.1:1"), "unreachable"],
    [new RangeError("8 bytes wanted at 3 of 5"), "broker"],
    [Object.assign(new Error("no"), { code: 33 }), "authentication"],
    [new Error("Failed to connect: ENOENT: no such file or directory, open '/ca.pem'"), "invalid"],
    [new Error("Failed to connect: TLS file /c.pem cannot be used: Invalid CA"), "invalid"],
    [new Error("TLS files /c, /k cannot be used together: KEY_VALUES_MISMATCH"), "invalid"],
    ["text", "unreachable"],
    [null, "unreachable"],
  ];
  test.each(rows)("%p is %s", (cause, code) => {
    expect(kafkaErrorOf(cause, "try").code).toBe(code);
  });
});
