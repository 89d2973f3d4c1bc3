/**
 * Rounds: one after the other, never two at once, each begun PROBE_INTERVAL after the one before it began
 * or as soon as that one has ended. What goes wrong in one is told and does not end them.
 */
import { sleep } from "../../../shared/deadline.ts";
import type { EvaluatedRound, Evaluation } from "../check/evaluate.ts";
import type { BrokerSnapshot } from "../snapshot.ts";

export type RoundOptions = {
  readonly intervalMs: number;
  readonly take: (signal: AbortSignal) => Promise<BrokerSnapshot>;
  readonly evaluate: (snapshot: BrokerSnapshot, before: BrokerSnapshot | undefined) => Evaluation;
  readonly monotonicMs: () => number;
  /** Of each round that ended. */
  readonly onRound: (round: EvaluatedRound, snapshot: BrokerSnapshot) => void;
  /** A defect of ours: the verdicts grow old, and say so. */
  readonly onDefect: (cause: unknown) => void;
};

export type Rounds = {
  readonly latest: () => EvaluatedRound | undefined;
  /** One round, now. */
  readonly once: (signal: AbortSignal) => Promise<EvaluatedRound | undefined>;
  /** Rounds until the signal; the one under way is cut short by it. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

export function openRounds(options: RoundOptions): Rounds {
  const { intervalMs, take, evaluate, monotonicMs } = options;
  let latest: EvaluatedRound | undefined;
  let before: BrokerSnapshot | undefined;

  const once = async (signal: AbortSignal): Promise<EvaluatedRound | undefined> => {
    const beganMs = monotonicMs();
    try {
      const snapshot = await take(signal);
      // Cut short: what it did not read is no news of Kafka.
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
