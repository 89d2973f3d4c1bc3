/**
 * Makes rounds one after the other, never two at the same time. Each begins PROBE_INTERVAL after the last
 * one began, or as soon as that has ended. An error in one is reported and does not end the loop.
 */
import { type Clock, sleep } from "../../../shared/clock.ts";
import type { EvaluatedRound, Evaluation } from "../check/evaluate.ts";
import type { BrokerSnapshot } from "../snapshot.ts";

export type RoundOptions = {
  readonly intervalMs: number;
  readonly take: (signal: AbortSignal) => Promise<BrokerSnapshot>;
  readonly evaluate: (snapshot: BrokerSnapshot, before: BrokerSnapshot | undefined) => Evaluation;
  readonly clock: Clock;
  /** Called for each round that ended. */
  readonly onRound: (round: EvaluatedRound, snapshot: BrokerSnapshot) => void;
  /** Called for a defect of ours; the verdicts then become too old, and say so. */
  readonly onDefect: (cause: unknown) => void;
};

export type Rounds = {
  readonly latest: () => EvaluatedRound | undefined;
  /** Makes one round now. */
  readonly once: (signal: AbortSignal) => Promise<EvaluatedRound | undefined>;
  /** Makes rounds until the signal aborts, which also cuts the current one short. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

export function openRounds(options: RoundOptions): Rounds {
  const {
    intervalMs,
    take,
    evaluate,
    clock: { monotonicMs },
  } = options;
  let latest: EvaluatedRound | undefined;
  let before: BrokerSnapshot | undefined;

  const once = async (signal: AbortSignal): Promise<EvaluatedRound | undefined> => {
    const beganMs = monotonicMs();
    try {
      const snapshot = await take(signal);
      // It was cut short: what it did not read says nothing about Kafka.
      if (signal.aborted) return undefined;
      const judgement = evaluate(snapshot, before);
      before = snapshot;
      latest = { judgement, beganMs, tookMs: monotonicMs() - beganMs };
      options.onRound(latest, snapshot);
      return latest;
    } catch (cause) {
      options.onDefect(cause);
      return undefined;
    }
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const beganMs = monotonicMs();
      await once(signal);
      await sleep(Math.max(0, beganMs + intervalMs - monotonicMs()), signal);
    }
  };

  return { latest: () => latest, once, run };
}
