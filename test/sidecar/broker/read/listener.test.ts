/** What a failed sign of life says about the listener. */
import { describe, expect, test } from "bun:test";
import type { Reached } from "../../../../shared/kafka/connection/connection.ts";
import { type KafkaError, kafkaErrorOf, timeoutError } from "../../../../shared/kafka/error.ts";
import { answerOf } from "../../../../sidecar/broker/read/listener.ts";
import type { ListenerAnswer } from "../../../../sidecar/broker/snapshot.ts";

const thrown = (code: string, message = code): KafkaError =>
  kafkaErrorOf(Object.assign(new Error(message), { code }), "connect to 127.0.0.1:9092");
const named = (name: string, message: string): KafkaError =>
  kafkaErrorOf(Object.assign(new Error(message), { name }), "connect to 127.0.0.1:9092");

const REFUSED = { kind: "refused-us" } as const;
const OURS = { kind: "refused-us", by: "us" } as const;
const CUT = { kind: "cut" } as const;
const NOT_ASKED = { kind: "not-asked" } as const;

describe("answerOf()", () => {
  const silent = { kind: "silent", connected: true } as const;
  const timeout = timeoutError("ApiVersions", 2000);
  const failedToOpen = (fault: string) => thrown("", `Failed to connect: ${fault}`);
  const rows: readonly [string, KafkaError, Reached, Partial<ListenerAnswer>][] = [
    ["nobody listens", thrown("ECONNREFUSED"), "resolved", { kind: "closed" }],
    ["it was cut without a byte", thrown("ECONNRESET"), "connected", CUT],
    ["it was ended without a byte", thrown("", "Closed connection"), "connected", CUT],
    ["a fault that is none of a listener", thrown("EPERM"), "resolved", NOT_ASKED],
    ["it was cut after the TLS handshake", thrown("ECONNRESET"), "secured", REFUSED],
    ["it was cut after an answer", thrown("ECONNRESET"), "heard", REFUSED],
    ["connected, and no answer by the deadline", timeout, "connected", silent],
    ["a TLS handshake, and then no answer to ApiVersions", timeout, "secured", silent],
    ["authenticated, and then no answer to ApiVersions", timeout, "open", silent],
    ["an answer, and then none", timeoutError("SaslHandshake", 2000), "heard", REFUSED],
    ["nobody takes the connection", timeout, "resolved", { ...silent, connected: false }],
    ["the kernel gave up", thrown("ETIMEDOUT"), "resolved", { ...silent, connected: false }],
    ["a resolver that hangs", timeout, "nothing", NOT_ASKED],
    ["a name without an address", thrown("ENOTFOUND"), "nothing", NOT_ASKED],
    ["a resolver that is away", thrown("EAI_AGAIN"), "nothing", NOT_ASKED],
    ["no route", thrown("ENETUNREACH"), "resolved", NOT_ASKED],
    ["no way to the host", thrown("EHOSTUNREACH"), "resolved", NOT_ASKED],
    ["a host that is down", thrown("EHOSTDOWN"), "resolved", NOT_ASKED],
    ["no descriptors left", thrown("EMFILE"), "resolved", NOT_ASKED],
    [
      "a file that cannot be read",
      failedToOpen("ENOENT: no such file or directory, open '/ca.pem'"),
      ...(["resolved", NOT_ASKED] as const),
    ],
    [
      "a file that cannot be used",
      failedToOpen("TLS file /ca.pem cannot be used: Invalid CA"),
      ...(["resolved", NOT_ASKED] as const),
    ],
    [
      "files that do not belong together",
      failedToOpen("TLS files /c, /k cannot be used together: X.509 certificate routines: x"),
      ...(["resolved", NOT_ASKED] as const),
    ],
    ["an alert of TLS", thrown("ERR_SSL_X", "tlsv1 alert unknown ca"), "connected", REFUSED],
    ["a certificate we do not take", thrown("CERT_HAS_EXPIRED"), "connected", OURS],
    ["a name we do not take", thrown("ERR_TLS_CERT_ALTNAME_INVALID"), "connected", OURS],
    ["an authority we do not know", thrown("SELF_SIGNED_CERT_IN_CHAIN"), "connected", OURS],
    [
      "a refusal by SASL",
      named("KafkaJSSASLAuthenticationError", "Authentication failed: invalid credentials"),
      ...(["heard", REFUSED] as const),
    ],
  ];
  test.each(rows)("%s", (_what, error, reached, want) => {
    const answer = answerOf(error, reached, 12);
    expect(answer).toMatchObject({ ...want, durationMs: 12 });
    expect(answer.kind === "answered" ? "" : answer.detail).toStartWith(error.detail);
  });
});
