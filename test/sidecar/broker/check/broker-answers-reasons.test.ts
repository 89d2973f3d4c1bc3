/** Reasons that say whose fault it is, and where to look. */
import { expect, test } from "bun:test";
import { checkBrokerAnswers } from "../../../../sidecar/broker/check/broker-answers.ts";
import { running, SETTINGS, said, snapshot } from "../snapshot-sample.ts";

const MIB = 1024 * 1024;
const starting = (ageMs: number, ioBytes: number) =>
  running({ hasAnswered: false, ageMs, ioBytes });

test("our own refusal of its certificate is told as ours", () => {
  const answer = { kind: "refused-us", by: "us", detail: "altnames", durationMs: 4 } as const;
  expect(said(checkBrokerAnswers(snapshot({ answer }), SETTINGS))).toEqual([
    "warn",
    "alive, but we refuse its certificate (TLS_CA_FILE, TLS_SERVER_NAME): altnames",
  ]);
});

test.each([
  [2 * 64 * 1024, "unknown"],
  [2 * 64 * 1024 - 1, "fail"],
] as const)("%d bytes in 2 s of silence at start are %s", (bytes, status) => {
  const answer = { kind: "silent", connected: true, detail: "late", durationMs: 2000 } as const;
  const before = snapshot({ process: starting(28_000, MIB) });
  const seen = snapshot({ answer, process: starting(30_000, MIB + bytes) });
  expect(checkBrokerAnswers(seen, SETTINGS, before).status).toBe(status);
});

test("a closed listener at start names what was tried, and where the process listens instead", () => {
  const detail = "connect ECONNREFUSED 127.0.0.1:9092";
  const seen = snapshot({
    answer: { kind: "closed", detail, durationMs: 1 },
    process: starting(30_000, MIB),
    listensAt: ["[::1]:9092"],
  });
  const { status, reason } = checkBrokerAnswers(seen, SETTINGS);
  expect(status).toBe("unknown");
  expect(reason).toEndWith(
    ": connect ECONNREFUSED 127.0.0.1:9092; Kafka's process listens on [::1]:9092 (is LOCAL_BROKER one of them?)",
  );
});
