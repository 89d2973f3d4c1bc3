/**
 * Has this Kafka process answered since its start? Startup depends only on this check: a startup probe that
 * fails restarts Kafka, so nothing else that may be wrong, with Kafka or with us, counts here.
 */
import { checkBrokerAnswers } from "./broker-answers.ts";
import type { Check } from "./check.ts";
import { verdictsOf } from "./verdict.ts";

const say = verdictsOf("broker-started");

export const checkBrokerStarted: Check = (snapshot, settings, before) => {
  if (snapshot.hasStarted) return say("pass", "it has answered since its start", 0);
  const { reason, durationMs } = checkBrokerAnswers(snapshot, settings, before);
  // A fault that keeps us from asking does not keep Kafka from starting.
  if (snapshot.answer.kind === "not-asked") return say("warn", reason, durationMs);
  return say("unknown", reason, durationMs);
};
