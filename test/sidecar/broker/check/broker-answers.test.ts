/** Liveness' only ground: what each answer of the listener, and sight of the process, comes to. */
import { describe, expect, test } from "bun:test";
import { checkBrokerAnswers } from "../../../../sidecar/broker/check/broker-answers.ts";
import type { CheckStatus } from "../../../../sidecar/broker/check/check.ts";
import type {
  BrokerSnapshot,
  KafkaProcess,
  ListenerAnswer,
  PortHolder,
} from "../../../../sidecar/broker/snapshot.ts";
import { running, SETTINGS, said, snapshot } from "../snapshot-sample.ts";

const MIB = 1024 * 1024;
const closed: ListenerAnswer = { kind: "closed", detail: "ECONNREFUSED", durationMs: 1 };
const cut: ListenerAnswer = { kind: "cut", detail: "ECONNRESET", durationMs: 1 };
const silent = {
  kind: "silent",
  connected: true,
  detail: "no answer within 2000 ms",
  durationMs: 2000,
} as const;
const refused: ListenerAnswer = { kind: "refused-us", detail: "wrong password", durationMs: 4 };
const notAsked: ListenerAnswer = { kind: "not-asked", detail: "no such name", durationMs: 0 };

const gone: KafkaProcess = { kind: "gone" };
const hidden: KafkaProcess = { kind: "hidden", reason: "no shared process namespace" };
const starting = (changed: Parameters<typeof running>[0] = {}) =>
  running({ hasAnswered: false, ageMs: 30_000, ioBytes: 4 * MIB, ...changed });
const earlier = starting({ ageMs: 28_000, ioBytes: MIB });

type Row = {
  readonly when: string;
  readonly answer: ListenerAnswer;
  readonly process?: KafkaProcess;
  readonly before?: KafkaProcess;
  readonly portHolder?: PortHolder;
  readonly lagMs?: number;
  readonly silentMs?: number;
  /** Of four others, three were asked: so many answered; undefined: it is alone. */
  readonly answered?: number;
  readonly want: readonly [CheckStatus, string];
};
const STARTING = "starting for 30s, no answer yet";
const PROGRESS = `${STARTING}; it read and wrote 4.0 MiB, of it 3.0 MiB since the last round`;
const BLIND = `${STARTING}; what it reads and writes cannot be seen: ECONNREFUSED`;
const SILENT = "the listener accepts connections and is silent: no answer within 2000 ms";

const rows: readonly Row[] = [
  {
    when: "an answer passes, whatever is seen of the process",
    answer: { kind: "answered", durationMs: 1.2 },
    process: gone,
    want: ["pass", "answered in 1ms"],
  },
  {
    when: "a refusal is alive",
    answer: refused,
    want: ["warn", "alive, but it refuses us: wrong password"],
  },
  {
    when: "what we could not ask is unknown, even with the process gone",
    answer: notAsked,
    process: gone,
    want: ["unknown", "we could not ask: no such name"],
  },
  {
    when: "an answer on another connection passes, and says what became of the one",
    answer: { kind: "answered", durationMs: 1, despite: "ECONNRESET" },
    want: ["pass", "answered on another connection, while ECONNRESET"],
  },
  {
    when: "one that holds us back by a quota is alive",
    answer: { kind: "throttled", detail: "ApiVersions: for 900 ms", durationMs: 2000 },
    want: ["pass", "alive, but a quota mutes us: ApiVersions: for 900 ms"],
  },
  {
    when: "connections that are ended at once tell nothing, also of one that had answered",
    answer: cut,
    want: [
      "unknown",
      "a connection is accepted and closed at once (a limit such as max.connections.per.ip, or a proxy?), and none is open: ECONNRESET",
    ],
  },
  {
    when: "connections that are ended at once, and the process gone, fails",
    answer: cut,
    process: gone,
    want: ["fail", "Kafka's process is gone: ECONNRESET"],
  },
  {
    when: "refused after it has answered, by a port that its process listens on, is unknown",
    answer: closed,
    portHolder: "kafka",
    want: [
      "unknown",
      "the connection is refused, but process 42 of Kafka listens on that port: ECONNREFUSED",
    ],
  },
  {
    when: "refused after it has answered, by a port that somebody unseen listens on, is unknown",
    answer: closed,
    portHolder: "somebody",
    want: [
      "unknown",
      "the connection is refused, but something listens on that port, but its owner cannot be seen: ECONNREFUSED",
    ],
  },
  {
    when: "refused after it has answered, by a port that nobody listens on at that address, fails",
    answer: closed,
    portHolder: "nobody",
    want: ["fail", "the listener is closed, and was open before: ECONNREFUSED"],
  },
  {
    when: "closed and gone fails",
    answer: closed,
    process: gone,
    want: ["fail", "Kafka's process is gone: ECONNREFUSED"],
  },
  {
    when: "closed after it has answered fails",
    answer: closed,
    want: ["fail", "the listener is closed, and was open before: ECONNREFUSED"],
  },
  {
    when: "closed and not answered since its start is starting, with progress",
    answer: closed,
    process: starting(),
    before: earlier,
    want: ["unknown", `${PROGRESS}: ECONNREFUSED`],
  },
  {
    when: "starting without progress is still starting",
    answer: closed,
    process: starting(),
    before: starting({ ageMs: 28_000 }),
    want: [
      "unknown",
      `${STARTING}; it read and wrote 4.0 MiB, of it 0 B since the last round: ECONNREFUSED`,
    ],
  },
  {
    when: "starting in the first round shows no progress",
    answer: closed,
    process: starting(),
    want: ["unknown", BLIND],
  },
  {
    when: "another process's figures are no progress",
    answer: closed,
    process: starting(),
    before: starting({ pid: 41, ioBytes: MIB }),
    want: ["unknown", BLIND],
  },
  {
    when: "a pid that was used again is no progress",
    answer: closed,
    process: starting(),
    before: starting({ ageMs: 30_001, ioBytes: MIB }),
    want: ["unknown", BLIND],
  },
  {
    when: "closed and hidden is unknown, for it may be another process than had answered",
    answer: closed,
    process: hidden,
    want: ["unknown", "starting, or not there: ECONNREFUSED (no shared process namespace)"],
  },
  { when: "silent fails", answer: silent, want: ["fail", SILENT] },
  {
    when: "silent without a connection fails, in other words",
    answer: { ...silent, connected: false },
    want: [
      "fail",
      "a connection to its address is neither accepted nor refused: no answer within 2000 ms",
    ],
  },
  {
    when: "silent and hidden fails",
    answer: silent,
    process: hidden,
    want: ["fail", SILENT],
  },
  {
    when: "silent and gone fails, however late we were",
    answer: silent,
    process: gone,
    lagMs: 9000,
    want: ["fail", "Kafka's process is gone: no answer within 2000 ms"],
  },
  { when: "silent and we 499 ms late fails", answer: silent, lagMs: 499, want: ["fail", SILENT] },
  {
    when: "silent and we a quarter of the time late is unknown",
    answer: silent,
    lagMs: 500,
    want: [
      "unknown",
      "no answer within 2000 ms, but our own timer was late by 500ms: too little CPU for the sidecar?",
    ],
  },
  {
    when: "silent in a second round fails, however late we were",
    answer: silent,
    lagMs: 9000,
    silentMs: 3000,
    want: ["fail", SILENT],
  },
  {
    when: "silent at start and busy is starting, as of a broker that binds its port before recovery",
    answer: silent,
    process: starting(),
    before: earlier,
    want: ["unknown", PROGRESS],
  },
  {
    when: "silent at start and idle fails",
    answer: silent,
    process: starting(),
    before: starting({ ageMs: 28_000 }),
    want: ["fail", SILENT],
  },
  {
    when: "silent like most others is unknown until its turn",
    answer: silent,
    answered: 1,
    silentMs: 10_000,
    want: [
      "unknown",
      `${SILENT}; 1 of 3 other brokers asked answered: they are restarted in turn, this one not for 1m50s yet`,
    ],
  },
  {
    when: "silent and gone fails, whatever the others do",
    answer: silent,
    process: gone,
    answered: 0,
    want: ["fail", "Kafka's process is gone: no answer within 2000 ms"],
  },
  {
    when: "closed after it has answered fails, whatever the others do",
    answer: closed,
    answered: 0,
    want: ["fail", "the listener is closed, and was open before: ECONNREFUSED"],
  },
];

describe("checkBrokerAnswers()", () => {
  test.each([...rows])(
    "$when",
    ({ answer, process, before, lagMs = 0, silentMs = 0, answered, want, ...seen }) => {
      const changed = (kafka: KafkaProcess = running()): Partial<BrokerSnapshot> => ({
        ...{ brokerId: 1, answer, process: kafka, lagMs, portHolder: seen.portHolder },
        silence: {
          ...{ forMs: silentMs, isShared: answered !== undefined },
          peers: { known: 4, asked: 3, answered: answered ?? 3, untaken: 0 },
        },
      });
      const was = before === undefined ? undefined : snapshot(changed(before));
      expect(said(checkBrokerAnswers(snapshot(changed(process)), SETTINGS, was))).toEqual([
        ...want,
      ]);
    },
  );
  test("tells how long the answer took", () => {
    expect(checkBrokerAnswers(snapshot(), SETTINGS).durationMs).toBe(1.26);
  });
});
