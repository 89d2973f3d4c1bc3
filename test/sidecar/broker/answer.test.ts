/** What a failed sign of life says about the listener. */
import { describe, expect, test } from "bun:test";
import { type KafkaError, kafkaErrorOf, timeoutError } from "../../../shared/kafka/error.ts";
import { answerOf } from "../../../sidecar/broker/answer.ts";
import type { Answer } from "../../../sidecar/broker/reading.ts";

const thrown = (code: string, message = code): KafkaError =>
  kafkaErrorOf(Object.assign(new Error(message), { code }), "connect to 127.0.0.1:9092");
const named = (name: string, message: string): KafkaError =>
  kafkaErrorOf(Object.assign(new Error(message), { name }), "connect to 127.0.0.1:9092");

describe("answerOf()", () => {
  const rows: readonly [string, KafkaError, boolean, Answer["kind"]][] = [
    ["nobody listens", thrown("ECONNREFUSED"), false, "closed"],
    ["it was cut without a byte", thrown("ECONNRESET"), false, "closed"],
    ["it was cut after an answer", thrown("ECONNRESET"), true, "refused-us"],
    ["no answer by the deadline", timeoutError("ApiVersions", 2000), false, "silent"],
    ["an answer, and then none", timeoutError("SaslHandshake", 2000), true, "refused-us"],
    ["the kernel gave up", thrown("ETIMEDOUT"), false, "silent"],
    ["a name without an address", thrown("ENOTFOUND"), false, "not-asked"],
    ["a resolver that is away", thrown("EAI_AGAIN"), false, "not-asked"],
    ["no descriptors left", thrown("EMFILE"), false, "not-asked"],
    [
      "a file that cannot be read",
      thrown("", "Failed to connect: ENOENT: no such file or directory, open '/ca.pem'"),
      ...([false, "not-asked"] as const),
    ],
    ["an alert of TLS", thrown("ERR_SSL_X", "tlsv1 alert unknown ca"), false, "refused-us"],
    ["a certificate we do not take", thrown("CERT_HAS_EXPIRED"), false, "refused-us"],
    [
      "a refusal by SASL",
      named("KafkaJSSASLAuthenticationError", "Authentication failed: invalid credentials"),
      ...([false, "refused-us"] as const),
    ],
  ];
  test.each(rows)("%s", (_what, error, heard, kind) => {
    expect(answerOf(error, heard, 12)).toMatchObject({
      kind,
      durationMs: 12,
      detail: error.detail,
    });
  });
});
