/** What the API and the metrics show of a rollout. */
import type { Term } from "../leader/term.ts";
import { rolloutHalt } from "../plan/hold.ts";
import type { LeaderState } from "../state/leader-state.ts";
import { slotsOf } from "../state/rollout.ts";

/** The progress of a rollout to the wanted spec; `halted` says at which cluster it stopped, and why. */
export function viewRollout(leaderState: LeaderState) {
  const { rollout, actual } = leaderState;
  return {
    spec_hash: rollout.specHash,
    halted: rolloutHalt(leaderState) ?? null,
    replacing: [...rollout.trials.keys()],
    slots: slotsOf(rollout, actual.count()),
  };
}

type AddGauge = (name: string, help: string, read: () => number | undefined) => void;

export function openRolloutGauges(gauge: AddGauge, term: () => Term | undefined): void {
  gauge("rollout_halted", "1 while a rollout is halted: its newest workers do not run", () => {
    const now = term();
    return now !== undefined && rolloutHalt(now.leaderState) !== undefined ? 1 : 0;
  });
  gauge(
    "rollout_replacing_workers",
    "Workers replaced for another spec that have not yet run for WORKER_MIN_READY",
    () => term()?.leaderState.rollout.trials.size,
  );
}
