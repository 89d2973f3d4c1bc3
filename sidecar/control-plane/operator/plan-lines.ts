/**
 * The steps that a new leader would begin in its first round, as lines, and how many of each kind would
 * wait for their turn. Pure, except that it changes the leader's state.
 */
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Act } from "../plan/act.ts";
import { type FleetConditions, planInputOf } from "../plan/input.ts";
import { type PlanInput, planCluster, type Step } from "../plan/plan.ts";
import { openRoom, type Room, takeRoom, toAct } from "../plan/schedule.ts";
import type { LeaderState } from "../state/leader-state.ts";
import { type WorkerSettings, workerNameOf } from "../worker/spec.ts";

type Waiting = Act["kind"] | "replace-slot" | "failing-spec";

/** How many clusters wait for their turn, by what they wait for. */
export type Later = ReadonlyMap<Waiting, number>;

export type FirstRound = { readonly lines: readonly string[]; readonly later: Later };

type Deps = {
  readonly leaderState: LeaderState;
  readonly ages: Ages;
  readonly conditions: FleetConditions;
  readonly worker: WorkerSettings;
};

/** Plans in the leader's own order, so that the same clusters come first. The lines are sorted by client id. */
export function planLines(deps: Deps): FirstRound {
  const { leaderState, ages, conditions } = deps;
  const room = openRoom(leaderState, conditions.monotonicMs);
  const said = new Map<ClientId, readonly string[]>();
  const later = new Map<Waiting, number>();
  for (const clientId of leaderState.dirty) {
    const input = planInputOf(leaderState, clientId, ages, conditions, room);
    const step = planCluster(input);
    const waiting = waitingOf(deps, room, clientId, step);
    if (waiting === undefined) said.set(clientId, stepLines(step, clientId, input));
    else later.set(waiting, (later.get(waiting) ?? 0) + 1);
  }
  const lines = [...said].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, some]) => some);
  return { lines, later };
}

/** What a step waits for; undefined: it begins in the first round, or is no act. */
function waitingOf(
  { leaderState, worker, conditions }: Deps,
  room: Room,
  clientId: ClientId,
  step: Step,
): Waiting | undefined {
  if (step.kind === "wait" && (step.why === "replace-slot" || step.why === "failing-spec"))
    return step.why;
  const act = toAct({ leaderState, worker }, clientId, step, conditions.specHash);
  if (act === undefined) return undefined;
  if (room.acts[act.kind] <= 0) return act.kind;
  takeRoom(room, act, leaderState);
  return undefined;
}

const WAITING_TEXT = {
  start: "more workers would be started as these have started",
  stop: "more workers would be stopped as these have stopped",
  "delete-group": "more groups would be deleted as these are deleted",
  "replace-slot":
    "more workers with another spec would be replaced, as those before them have run for WORKER_MIN_READY",
  "failing-spec": "more exited workers would be started once one with the new spec runs",
} as const satisfies Record<Waiting, string>;

export const laterLines = (later: Later): readonly string[] =>
  [...later].map(([waiting, count]) => `then ${count} ${WAITING_TEXT[waiting]}`);

/** The end of a withdrawal is printed together with its first step. */
function stepLines(step: Step, clientId: ClientId, input: PlanInput): readonly string[] {
  const name = workerNameOf(clientId);
  const groupLine =
    input.cluster?.groupKept === true
      ? `keep group ${groupOf(clientId)}, if there is one: its tombstone is history`
      : `delete group ${groupOf(clientId)}`;
  switch (step.kind) {
    case "start":
      return [`start ${name}`];
    case "stop":
      return [
        `stop ${name} (${step.cause}): ${step.worker.instance}`,
        ...(step.cause === "withdrawn" ? [groupLine] : []),
      ];
    case "delete-group":
      return [groupLine];
    case "wait":
      return [`wait ${name} (${step.why})`];
    case "none":
      if (step.why === "group-kept") return [groupLine];
      return step.why === "blocked" ? [`blocked ${name}: ${input.foreign?.detail ?? ""}`] : [];
  }
}
