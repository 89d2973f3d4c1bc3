/**
 * The bodies of the probes. The original's keys come first, in its order and with its types (a boolean
 * that is not known is false, a number 0), then `error` when unhealthy, then ours.
 */
import type { CheckName } from "../check/check.ts";
import type { BlockingPartition, NeverSafePartition } from "../check/restart-risk.ts";
import type { GateName, GateOutcome } from "./gates.ts";
import { outcomeOf, type ProbeStatus, probeStatus, type Readings } from "./status.ts";

export type Probe = { readonly healthy: boolean; readonly body: object };

export function liveProbe(readings: Readings): Probe {
  const { brokerId } = readings;
  return probe("live", readings, (now) => ({
    brokerId,
    brokerFound: holds(now, "broker-registered"),
  }));
}

export function readyProbe(readings: Readings): Probe {
  const { brokerId } = readings;
  return probe("ready", readings, (now) => ({
    brokerId,
    brokerRegistered: holds(now, "broker-registered"),
    controllerElected: holds(now, "quorum-leader"),
    underReplicatedPartitions: now.judgement?.figures.underReplicated ?? 0,
    logDirsHealthy: holds(now, "log-directories") && !fails(now, "future-replicas"),
  }));
}

/** `progress`: while Kafka starts, what it waits for; afterwards, what it has to catch up. */
export function startupProbe(readings: Readings): Probe {
  const { brokerId } = readings;
  return probe("startup", readings, (now) => {
    const check = holds(now, "broker-answers") ? "replicas-in-sync" : "broker-answers";
    return { brokerId, progress: now.verdicts.find((one) => one.check === check)?.reason };
  });
}

export function restartSafeProbe(readings: Readings): Probe {
  const { brokerId } = readings;
  const answer = (now: ProbeStatus, safe: boolean) => ({ brokerId, safe, ...riskRows(now) });
  return probe("restart-safe", readings, answer);
}

export type RiskRows = {
  readonly blocking: readonly BlockingPartition[];
  readonly blockingTotal: number;
  readonly neverSafe: readonly NeverSafePartition[];
  readonly neverSafeTotal: number;
};

/** The first rows of each list, and how many there are. */
export function riskRows(now: ProbeStatus): RiskRows {
  const risk = now.judgement?.risk.partitions;
  return {
    blocking: risk?.blocking.rows ?? [],
    blockingTotal: risk?.blocking.total ?? 0,
    neverSafe: risk?.neverSafe.rows ?? [],
    neverSafeTotal: risk?.neverSafe.total ?? 0,
  };
}

function probe(
  gate: GateName,
  readings: Readings,
  own: (now: ProbeStatus, healthy: boolean) => object,
): Probe {
  const now = probeStatus(readings);
  const outcome = outcomeOf(gate, now, readings);
  const { healthy, error } = outcome;
  const body = {
    status: healthy ? "healthy" : "unhealthy",
    ...own(now, healthy),
    ...(error === undefined ? {} : { error }),
    checks: checkRows(outcome, now),
    ageMs: now.ageMs,
  };
  return { healthy, body };
}

const checkRows = ({ verdicts }: GateOutcome, { ageMs }: ProbeStatus) =>
  verdicts.map(({ check, status, reason, durationMs }) => ({
    ...{ check, status, reason, ageMs },
    durationMs: Math.round(durationMs * 10) / 10,
  }));

const holds = ({ verdicts }: ProbeStatus, name: CheckName): boolean =>
  verdicts.some(({ check, status }) => check === name && status === "pass");

const fails = ({ verdicts }: ProbeStatus, name: CheckName): boolean =>
  verdicts.some(({ check, status }) => check === name && status === "fail");
