/**
 * What is known right now: the last round's judgement, or that there is none to go by. A judgement that
 * has grown old says nothing: all its verdicts are `unknown` then, with its age as the reason, but for
 * `broker-started`, since a startup probe that fails restarts Kafka.
 */
import { CHECKS, type CheckName, type CheckStatus, type Verdict } from "../check/check.ts";
import type { EvaluatedRound, Evaluation } from "../check/evaluate.ts";
import { verdictsOf } from "../check/verdict.ts";
import { ageText } from "../text.ts";
import { type GateName, type GateOutcome, type GateSettings, passGate } from "./gates.ts";

/** A verdict older than so many PROBE_INTERVALs is unknown. */
export const STALE_ROUNDS = 3;

const STARTED: CheckName = "broker-started";

export type Readings = {
  /** -1: not known, because the configuration is wrong. */
  readonly brokerId: number;
  /** The last finished round. */
  readonly latest: () => EvaluatedRound | undefined;
  /** What is wrong with the configuration, in the original's words where it has any; no round is made then. */
  readonly misconfigured: string | undefined;
  /** STALE_ROUNDS × PROBE_INTERVAL. */
  readonly staleAfterMs: number;
  readonly gates: GateSettings;
  /** The clock of `JudgedRound`. */
  readonly monotonicMs: () => number;
};

export type ProbeStatus = {
  readonly verdicts: readonly Verdict[];
  /** Undefined when there is none, or it is too old. */
  readonly judgement: Evaluation | undefined;
  /** Of the last round, also of one too old; null before the first. */
  readonly ageMs: number | null;
};

export function probeStatus(readings: Readings): ProbeStatus {
  const round = readings.latest();
  // It keeps us from asking, and no Kafka from starting.
  if (readings.misconfigured !== undefined) return unknown(readings.misconfigured, null, "warn");
  if (round === undefined) return unknown("no round has finished yet", null);
  const ageMs = Math.max(0, Math.round(readings.monotonicMs() - round.beganMs));
  const { staleAfterMs } = readings;
  if (ageMs > staleAfterMs) {
    const ages = `${ageText(ageMs)} old, at most ${ageText(staleAfterMs)}`;
    return unknown(`the last round is ${ages}`, ageMs, lastStarted(round));
  }
  return { verdicts: round.judgement.verdicts, judgement: round.judgement, ageMs };
}

/** A wrong configuration is the one error whose text comes from elsewhere. */
export function outcomeOf(gate: GateName, now: ProbeStatus, readings: Readings): GateOutcome {
  const outcome = passGate(gate, now.verdicts, readings.gates);
  if (outcome.healthy || readings.misconfigured === undefined) return outcome;
  return { ...outcome, error: readings.misconfigured };
}

/** That a process has answered since its start stays true when our rounds do not come round. */
const lastStarted = ({ judgement }: EvaluatedRound): CheckStatus =>
  judgement.verdicts.some(({ check, status }) => check === STARTED && status === "pass")
    ? "pass"
    : "unknown";

/** `started`: the verdict of the one check on which it may rest whether Kafka is restarted while it starts. */
function unknown(
  reason: string,
  ageMs: number | null,
  started: CheckStatus = "unknown",
): ProbeStatus {
  const statusOf = (check: CheckName) => (check === STARTED ? started : "unknown");
  return {
    verdicts: CHECKS.map((check) => verdictsOf(check)(statusOf(check), reason, 0)),
    judgement: undefined,
    ageMs,
  };
}
