/** What a listing, and the end of a round, mean for the rollout. No I/O except the log. */
import type { Log } from "../../../shared/log.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { LeaderState } from "../state/leader-state.ts";
import { endTrial } from "../state/ledger.ts";
import { describeHalt, foldListed, haltOf, noteFailure } from "../state/rollout.ts";
import { exitText } from "./outcome.ts";

export type RolloutListed = {
  readonly changed: Iterable<ClientId>;
  /** When the listing began, monotonic ms. */
  readonly beganMs: number;
  readonly minReadyMs: number;
};

/** Applies a listing: which workers have run long enough, and which successors an earlier leader saw fail. */
export function foldRollout(leaderState: LeaderState, listed: RolloutListed): void {
  const { rollout, actual } = leaderState;
  for (const [clientId, reason] of rollout.trials) {
    if (reason !== undefined || leaderState.busy.has(clientId)) continue;
    const ended = actual.workersOf(clientId).find((worker) => worker.state === "exited");
    if (ended?.specHash !== rollout.specHash) continue;
    noteFailure(rollout, clientId, `its worker ${exitText(ended.exit)}`, listed.beganMs);
  }
  const { workersOf } = actual;
  const proven = foldListed(rollout, { ...listed, workersOf, current: countCurrent(leaderState) });
  for (const clientId of proven) {
    const cluster = leaderState.fleet.clusters.get(clientId);
    if (cluster !== undefined) endTrial(leaderState, cluster);
  }
  if (!waitsForSuccessor(leaderState)) rollout.unprepared = undefined;
}

/** Whether the cluster whose successor could not be prepared still has a worker with another spec. */
function waitsForSuccessor({ actual, rollout }: LeaderState): boolean {
  const { unprepared, specHash } = rollout;
  if (unprepared === undefined) return false;
  return actual.workersOf(unprepared.clientId).some((worker) => worker.specHash !== specHash);
}

function countCurrent({ actual, rollout }: LeaderState): number {
  let count = 0;
  for (const clientId of actual.clientIds()) {
    for (const { state, specHash } of actual.workersOf(clientId)) {
      if (state === "running" && specHash === rollout.specHash) count += 1;
    }
  }
  return count;
}

/** @returns a function to call after each round, which logs that a rollout is halted, and that it goes on */
export function rolloutLog({ rollout, actual }: LeaderState, log: Log): () => void {
  let halted: string | undefined;
  return () => {
    const halt = haltOf(rollout, actual.count());
    if (halt?.clientId === halted) return;
    halted = halt?.clientId;
    if (halt === undefined) log.info("the rollout goes on", { spec: rollout.specHash });
    else {
      log.warn(describeHalt(halt, rollout), { client_id: halt.clientId, spec: rollout.specHash });
    }
  };
}
