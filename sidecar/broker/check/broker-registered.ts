/** Is this broker among those that the cluster's metadata names? A fenced or cut-off broker is not. */
import type { KafkaErrorCode } from "../../../shared/kafka/error-code.ts";
import type { BrokerSnapshot } from "../snapshot.ts";
import { counted, someOf } from "../text.ts";
import { isHeldUp, isRecovering } from "./broker-answers.ts";
import type { Check } from "./check.ts";
import { readOr, verdictsOf } from "./verdict.ts";

const CHECK = "broker-registered";
const say = verdictsOf(CHECK);

export const checkBrokerRegistered: Check = (snapshot, _settings, before) => {
  const { role, brokerId, metadata } = snapshot;
  if (role === "controller") return say("skipped", "a controller registers as no broker", 0);
  const read = readOr(CHECK, metadata);
  if (!read.ok) {
    return isExcused(snapshot, before) ? read.error : { ...read.error, isUnanswered: true };
  }
  const { value, durationMs } = read.value;
  const ids = value.cluster.brokers.map(({ id }) => id).sort((a, b) => a - b);
  const source = value.from === "local" ? "" : ", as another broker says";
  return ids.includes(brokerId)
    ? say("pass", `one of ${counted(ids.length, "broker")}${source}`, durationMs)
    : say(
        "fail",
        `broker ${brokerId} is not among the brokers (${someOf(ids.map(String))})${source}`,
        durationMs,
      );
};

/**
 * The broker has no version of Metadata that we speak (before 2.8, so it was not asked), or refuses to list
 * brokers: it is alive.
 */
const ANSWERS: ReadonlySet<KafkaErrorCode> = new Set(["unsupported", "authorization"]);

/** Why there is no answer: a cause that is no fault of the broker's, and that the original would not have noticed. */
function isExcused(snapshot: BrokerSnapshot, before: BrokerSnapshot | undefined): boolean {
  const { answer, metadata, lagMs } = snapshot;
  if (answer.kind === "throttled") return true;
  if (metadata.kind !== "failed") return true;
  if (metadata.error.isThrottled === true) return true;
  if (answer.kind === "answered" && ANSWERS.has(metadata.error.code)) return true;
  if (isHeldUp(lagMs, metadata.durationMs)) return true;
  return isRecovering(snapshot, before);
}
