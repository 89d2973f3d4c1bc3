/**
 * Does the local listener answer before its deadline? Liveness depends only on this check, so it fails only
 * for Kafka's faults, never for ours (password, certificate, CPU).
 */

import { brakedMs } from "../outage/liveness-brake.ts";
import type { BrokerSnapshot, KafkaProcess, ListenerAnswer } from "../snapshot.ts";
import { ageText, bytesText, counted, someOf } from "../text.ts";
import type { Check, CheckSettings, Verdict } from "./check.ts";
import { heldText } from "./held-back.ts";
import { verdictsOf } from "./verdict.ts";

/** If our timer was late by this share of the wait, an answer may have been there in time; but not twice in a row. */
const LAG_SHARE_MAX = 0.25;

/** Recovery reads whole segments, many MiB a second; the threads that still run in a hung broker move a few KiB. */
const RECOVERY_BYTES_PER_SECOND = 64 * 1024;

const SILENT = "the listener accepts connections and is silent";
const CUT =
  "a connection is accepted and closed at once (a limit such as max.connections.per.ip, or a proxy?), and none is open";
const UNTAKEN = "a connection to its address is neither accepted nor refused";

const say = verdictsOf("broker-answers");

export const checkBrokerAnswers: Check = (snapshot, settings, before) => {
  const { answer, process: kafka } = snapshot;
  switch (answer.kind) {
    case "answered":
      return say("pass", answeredText(answer), answer.durationMs);
    case "throttled":
      return say("pass", `alive, but a quota mutes us: ${answer.detail}`, answer.durationMs);
    case "refused-us":
      return say("warn", refusedText(answer), answer.durationMs);
    case "not-asked":
      return say("unknown", `we could not ask: ${answer.detail}`, answer.durationMs);
    case "closed":
    case "cut":
    case "silent":
      if (kafka.kind === "gone") {
        return say("fail", `Kafka's process is gone: ${answer.detail}`, answer.durationMs);
      }
      if (answer.kind === "cut")
        return say("unknown", `${CUT}: ${answer.detail}`, answer.durationMs);
      return answer.kind === "closed"
        ? judgeClosed(answer, snapshot, kafka, before)
        : judgeSilent({ ...snapshot, answer, process: kafka }, settings, before);
  }
};

function answeredText({
  durationMs,
  despite,
}: Extract<ListenerAnswer, { readonly kind: "answered" }>) {
  if (despite === undefined) return `answered in ${ageText(durationMs)}`;
  return `answered on another connection, while ${despite}`;
}

const refusedText = ({ by, detail }: Extract<ListenerAnswer, { readonly kind: "refused-us" }>) =>
  by === "us"
    ? `alive, but we refuse its certificate (TLS_CA_FILE, TLS_SERVER_NAME): ${detail}`
    : `alive, but it refuses us: ${detail}`;

type Unanswered = { readonly detail: string; readonly durationMs: number };
type There = Exclude<KafkaProcess, { readonly kind: "gone" }>;
type SilentSnapshot = BrokerSnapshot & {
  readonly answer: Extract<ListenerAnswer, { readonly kind: "silent" }>;
  readonly process: There;
};

/**
 * Without a quorum, and in log recovery, a broker keeps its listener closed, which is no reason to restart
 * it. A hidden process may have been restarted since it answered, and be in recovery. If it has ended, so
 * has its container, which the kubelet itself notices.
 */
function judgeClosed(
  { detail, durationMs }: Unanswered,
  { portHolder, listensAt }: BrokerSnapshot,
  kafka: There,
  before: BrokerSnapshot | undefined,
): Verdict {
  if (kafka.kind === "hidden") {
    return say("unknown", `starting, or not there: ${detail} (${kafka.reason})`, durationMs);
  }
  if (kafka.hasAnswered && portHolder !== undefined && portHolder !== "nobody") {
    const seen =
      portHolder === "kafka"
        ? `process ${kafka.pid} of Kafka listens on that port`
        : "something listens on that port, but its owner cannot be seen";
    return say("unknown", `the connection is refused, but ${seen}: ${detail}`, durationMs);
  }
  return kafka.hasAnswered
    ? say("fail", `the listener is closed, and was open before: ${detail}`, durationMs)
    : say(
        "unknown",
        `${startingText(kafka, before)}: ${detail}${elsewhere(listensAt)}`,
        durationMs,
      );
}

/** A listener on another address, such as only [::1], looks closed; so does any listener of a broker that starts. */
const elsewhere = (listensAt: readonly string[]): string =>
  listensAt.length === 0
    ? ""
    : `; Kafka's process listens on ${someOf(listensAt)} (is LOCAL_BROKER one of them?)`;

/**
 * Older brokers bind their port before they recover their logs, and are silent until they are done
 * (KAFKA-9796). What the process reads and writes distinguishes recovery from a hang.
 */
function judgeSilent(
  seen: SilentSnapshot,
  settings: CheckSettings,
  before: BrokerSnapshot | undefined,
): Verdict {
  const { lagMs, process: kafka } = seen;
  const { detail, durationMs, connected } = seen.answer;
  const isFirst = (seen.silence?.forMs ?? 0) === 0;
  if (isFirst && isHeldUp(lagMs, durationMs)) {
    const lag = `our own timer was late by ${ageText(lagMs)}`;
    return say("unknown", `${detail}, but ${lag}: too little CPU for the sidecar?`, durationMs);
  }
  const held = heldText(seen, settings, before);
  if (held !== undefined) return say("unknown", `${held}: ${detail}`, durationMs);
  if (kafka.kind === "running" && !kafka.hasAnswered && isReadingLogs(kafka, before)) {
    return say("unknown", startingText(kafka, before), durationMs);
  }
  const silence = `${connected ? SILENT : UNTAKEN}: ${detail}`;
  const heldMs = brakedMs(seen, settings);
  if (heldMs === 0) return say("fail", silence, durationMs);
  const { answered = 0, asked = 0 } = seen.silence?.peers ?? {};
  const others = `${answered} of ${counted(asked, "other broker")} asked answered`;
  const turn = `they are restarted in turn, this one not for ${ageText(heldMs)} yet`;
  return say("unknown", `${silence}; ${others}: ${turn}`, durationMs);
}

/** Whether we had too little CPU to be sure that there was no answer. */
export const isHeldUp = (lagMs: number, waitedMs: number): boolean =>
  lagMs > 0 && lagMs >= waitedMs * LAG_SHARE_MAX;

/**
 * It has not answered since its start, and reads its logs. What it did before our first observation is
 * unknown, and counts as reading.
 */
export function isRecovering(
  { answer, process: kafka }: BrokerSnapshot,
  before: BrokerSnapshot | undefined,
): boolean {
  if (answer.kind !== "closed" && answer.kind !== "silent") return false;
  if (kafka.kind !== "running" || kafka.hasAnswered) return false;
  return before === undefined || isReadingLogs(kafka, before);
}

type Running = Extract<KafkaProcess, { readonly kind: "running" }>;

function startingText(kafka: Running, before: BrokerSnapshot | undefined): string {
  const since = `starting for ${ageText(kafka.ageMs)}, no answer yet`;
  const progress = progressBytes(kafka, before);
  if (progress === undefined) return `${since}; what it reads and writes cannot be seen`;
  const total = bytesText(kafka.ioBytes ?? 0);
  return `${since}; it read and wrote ${total}, of it ${bytesText(progress)} since the last round`;
}

/** A broker that hangs still writes its logs and asks the controllers: that is no recovery. */
function isReadingLogs(kafka: Running, before: BrokerSnapshot | undefined): boolean {
  const progress = progressBytes(kafka, before);
  const was = before?.process;
  if (progress === undefined || was?.kind !== "running") return false;
  const seconds = Math.max(1, (kafka.ageMs - was.ageMs) / 1000);
  return progress / seconds >= RECOVERY_BYTES_PER_SECOND;
}

/** Bytes since the last round; undefined if they cannot be seen, or that was another process. */
function progressBytes(kafka: Running, before: BrokerSnapshot | undefined): number | undefined {
  const was = before?.process;
  if (was?.kind !== "running" || was.pid !== kafka.pid || was.ageMs > kafka.ageMs) {
    return undefined;
  }
  if (kafka.ioBytes === undefined || was.ioBytes === undefined) return undefined;
  return Math.max(0, kafka.ioBytes - was.ioBytes);
}
