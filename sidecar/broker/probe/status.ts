/**
 * What is known right now: the evaluation of the last round, or that there is none. When it is too old, all
 * its verdicts are `unknown`, with its age as the reason; except `broker-started`, since a startup probe
 * that fails restarts Kafka.
 */
import type { Clock } from "../../../shared/clock.ts";
import { CHECKS, type CheckName, type CheckStatus, type Verdict } from "../check/check.ts";
import type { EvaluatedRound, Evaluation } from "../check/evaluate.ts";
import { verdictsOf } from "../check/verdict.ts";
import { ageText } from "../text.ts";
import { type GateName, type GateOutcome, type GateSettings, passGate } from "./gates.ts";

/** A verdict older than this many PROBE_INTERVALs is unknown. */
export const STALE_ROUNDS = 3;

const STARTED: CheckName = "broker-started";

export type Readings = {
  /** -1: not known, because the configuration is wrong. */
  readonly brokerId: number;
  /** The last finished round. */
  readonly latest: () => EvaluatedRound | undefined;
  /** What is wrong with the configuration, with the original's text if it has one; then no round is made. */
  readonly misconfigured: string | undefined;
  /** STALE_ROUNDS × PROBE_INTERVAL. */
  readonly staleAfterMs: number;
  readonly gates: GateSettings;
  readonly clock: Clock;
};

export type ProbeStatus = {
  readonly verdicts: readonly Verdict[];
  /** Undefined when there is none, or it is too old. */
  readonly judgement: Evaluation | undefined;
  /** Age of the last round, even if it is too old; null before the first. */
  readonly ageMs: number | null;
};

export function probeStatus(readings: Readings): ProbeStatus {
  const round = readings.latest();
  // It keeps us from asking, but not Kafka from starting.
  if (readings.misconfigured !== undefined) return unknown(readings.misconfigured, null, "warn");
  if (round === undefined) return unknown("no round has finished yet", null);
  const ageMs = Math.max(0, Math.round(readings.clock.monotonicMs() - round.beganMs));
  const { staleAfterMs } = readings;
  if (ageMs > staleAfterMs) {
    const ages = `${ageText(ageMs)} old, at most ${ageText(staleAfterMs)}`;
    return unknown(`the last round is ${ages}`, ageMs, lastStarted(round));
  }
  return { verdicts: round.judgement.verdicts, judgement: round.judgement, ageMs };
}

/** Only the text of a wrong configuration comes from elsewhere. */
export function outcomeOf(gate: GateName, now: ProbeStatus, readings: Readings): GateOutcome {
  const outcome = passGate(gate, now.verdicts, readings.gates);
  if (outcome.healthy || readings.misconfigured === undefined) return outcome;
  return { ...outcome, error: readings.misconfigured };
}

/** That a process has answered since its start stays true when our rounds stop. */
const lastStarted = ({ judgement }: EvaluatedRound): CheckStatus =>
  judgement.verdicts.some(({ check, status }) => check === STARTED && status === "pass")
    ? "pass"
    : "unknown";

/** `started`: the verdict of `broker-started`, the only one that may restart Kafka while it starts. */
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
