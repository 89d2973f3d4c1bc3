/**
 * The fence, between a plan and its acts, and how long it is valid. It is an offset commit that only the
 * partition's owner can make; its age counts from before it was sent.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { Call } from "../../../shared/deadline.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Log } from "../../../shared/log.ts";
import type { Result } from "../../../shared/result.ts";
import type { Executor } from "../act/execute.ts";
import type { Groups } from "../act/groups.ts";
import type { Recorder } from "../recorder.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Promoted } from "./promotion.ts";

/** A fence usually takes 7 ms; after this time it is tried again. */
const FENCE_MS = 3_000;
const FENCE_RETRY_MS = 250;
/** Share of ACT_WINDOW: later steps of the same act must still begin within it. */
const PUT_BACK_SHARE = 0.5;

export type FenceDeps = {
  readonly promoted: Promoted;
  readonly settings: { readonly actWindowMs: number };
  readonly fence: (call: Call) => Promise<Result<null, KafkaError>>;
  readonly runtime: Runtime;
  readonly groups: Groups;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly log: Pick<Log, "warn">;
  readonly ended: AbortSignal;
  readonly end: (reason: string) => void;
};

export type Fence = {
  /** Resolves to undefined if no act may begin for now; `openMs` then says when to ask again. */
  readonly fence: () => Promise<Executor | undefined>;
  /** When to ask again, monotonic ms; undefined: now. */
  readonly openMs: () => number | undefined;
};

export function openFence(deps: FenceDeps): Fence {
  const {
    promoted,
    settings,
    clock: { monotonicMs },
    ended,
  } = deps;
  /** For this long an act of the previous leader may still reach the runtime. */
  let closedUntilMs = promoted.hadPredecessor
    ? promoted.fencedAtMs + settings.actWindowMs
    : promoted.fencedAtMs;

  const fence = async (): Promise<Executor | undefined> => {
    const askedMs = monotonicMs();
    if (askedMs < closedUntilMs || ended.aborted) return undefined;
    const fenced = await deps.fence({ deadlineMs: FENCE_MS, signal: ended });
    if (!fenced.ok) {
      if (fenced.error.code === "fenced") deps.end(`fenced: ${fenced.error.detail}`);
      else
        deps.log.warn("the fence was not confirmed; nothing is done", {
          error: fenced.error.detail,
        });
      closedUntilMs = monotonicMs() + FENCE_RETRY_MS;
      return undefined;
    }
    deps.recorder.fenced(monotonicMs() - askedMs);
    return {
      runtime: deps.runtime,
      deleteGroup: (group) => deps.groups.delete(group, ended),
      putBackOffsets: (group, kept) => {
        const deadlineMs = settings.actWindowMs * PUT_BACK_SHARE;
        return deps.groups.putBackOffsets(group, kept, { deadlineMs, signal: ended });
      },
      mayAct: () => !ended.aborted && monotonicMs() - askedMs < settings.actWindowMs,
      signal: ended,
    };
  };

  return {
    fence,
    openMs: () => (monotonicMs() < closedUntilMs ? closedUntilMs : undefined),
  };
}
