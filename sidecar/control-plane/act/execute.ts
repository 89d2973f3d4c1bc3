/**
 * Carries out one step. Right before it, the fence must be younger than ACT_WINDOW and the term not lost;
 * otherwise the act is dropped and planned again. `stop` names an instance, and `start` relies on the name
 * being unique. So an act that outlives its leader can only hit the worker that its intent names.
 */
import { groupOf } from "../../../shared/protocol/client-id.ts";
import type { KeptOffsets } from "../../../shared/protocol/ledger-facts.ts";
import type { Result } from "../../../shared/result.ts";
import type { Act, ActError, ActOutcome } from "../plan/act.ts";
import { isReplaced } from "../plan/plan.ts";
import type { Runtime } from "../runtime/runtime.ts";

export type Executor = {
  readonly runtime: Runtime;
  readonly deleteGroup: (group: string) => Promise<Result<null, ActError>>;
  /** Takes much less than ACT_WINDOW; never fails. */
  readonly putBackOffsets: (group: string, kept: KeptOffsets) => Promise<void>;
  /** Whether an act may begin now. */
  readonly mayAct: () => boolean;
  readonly signal: AbortSignal;
};

export async function execute(act: Act, executor: Executor): Promise<ActOutcome> {
  if (!executor.mayAct()) return TOO_LATE;
  switch (act.kind) {
    case "start":
      return start(act, executor);
    case "stop": {
      const hindered = await prepare(act, executor);
      if (hindered !== undefined) return hindered;
      const stopped = await executor.runtime.stop(act.worker, executor.signal);
      if (stopped.ok || stopped.error.code === "not-found") return { kind: "stopped" };
      return { kind: "failed", error: stopped.error };
    }
    case "delete-group": {
      const deleted = await executor.deleteGroup(groupOf(act.clientId));
      if (deleted.ok) return { kind: "group-deleted" };
      return { kind: "failed", error: deleted.error };
    }
  }
}

/** Starts the worker, after committing the offsets that Kafka has forgotten, if possible. */
async function start(
  { clientId, spec, offsets }: Extract<Act, { kind: "start" }>,
  executor: Executor,
): Promise<ActOutcome> {
  if (offsets !== undefined) await executor.putBackOffsets(groupOf(clientId), offsets);
  if (!executor.mayAct()) return TOO_LATE;
  const started = await executor.runtime.start(spec, executor.signal);
  if (!started.ok) return { kind: "failed", error: started.error };
  return { kind: "started", worker: started.value };
}

const TOO_LATE: ActOutcome = {
  kind: "failed",
  error: {
    code: "dropped",
    detail: "the fence was older than ACT_WINDOW before the act could begin; planned again",
  },
};

/**
 * A running worker is stopped only when what its successor needs is there. That may take longer than a
 * fence is valid: then it is planned again, and what it needs is there at once.
 * @returns undefined when it may be stopped
 */
async function prepare(
  { cause, successor }: Extract<Act, { kind: "stop" }>,
  { runtime, mayAct, signal }: Executor,
): Promise<ActOutcome | undefined> {
  if (successor === undefined || !isReplaced(cause)) return undefined;
  const prepared = await runtime.prepare(successor, signal);
  if (!prepared.ok) {
    const { code, detail } = prepared.error;
    const isUnderWay = code === "timeout";
    return { kind: "failed", error: { code: isUnderWay ? "dropped" : "unprepared", detail } };
  }
  return mayAct() ? undefined : TOO_LATE;
}
