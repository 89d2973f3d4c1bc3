/**
 * Backoff per cluster: for a worker that exits again and again, a start that fails, a group that cannot be
 * deleted yet. In the leader's memory, on its monotonic clock; the count of restarts outlives it in the
 * ledger.
 */
import { backoffMs } from "../../../shared/backoff.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { createTimerHeap } from "../fleet/timer-heap.ts";

/** Kubernetes begins at 10 s and ends at 5 min; here a start is cheap, but a gap in the data is not. */
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
/** At least half of the wait: a crash loop must not spin by luck. */
const CERTAIN = 0.5;
/** For problems that others must solve, which takes time, such as an image that is in no registry. */
export const PATIENT_MAX_MS = 300_000;
/** A worker that ran this long before it exited starts again at once, and its count is reset. */
export const STABLE_MS = 60_000;

type Attempts = { failures: number; notBeforeMs: number };

export type Backoffs = {
  /** An act failed; `maxMs` is the longest wait. Returns how many in a row by now. */
  readonly failed: (clientId: ClientId, nowMs: number, maxMs?: number) => number;
  /** Its worker exited after `ranMs`; the first exit in a row waits for nothing. */
  readonly exited: (clientId: ClientId, nowMs: number, ranMs: number) => number;
  readonly succeeded: (clientId: ClientId) => void;
  readonly backingOff: (clientId: ClientId, nowMs: number) => boolean;
  readonly failures: (clientId: ClientId) => number;
  /** Clusters whose backoff is over by now. */
  readonly take: (nowMs: number) => readonly ClientId[];
  readonly nextMs: () => number | undefined;
};

export function createBackoffs(random: () => number): Backoffs {
  const attempts = new Map<ClientId, Attempts>();
  const due = createTimerHeap<{ readonly atMs: number; readonly clientId: ClientId }>();

  const waitFor = (attempt: number, maxMs = BACKOFF_MAX_MS): number =>
    backoffMs(attempt, { baseMs: BACKOFF_BASE_MS, maxMs, certain: CERTAIN }, random());

  const set = (clientId: ClientId, failures: number, nowMs: number, waitMs: number): number => {
    attempts.set(clientId, { failures, notBeforeMs: nowMs + waitMs });
    due.add({ atMs: nowMs + waitMs, clientId });
    return failures;
  };

  return {
    failed: (clientId, nowMs, maxMs) => {
      const before = attempts.get(clientId)?.failures ?? 0;
      return set(clientId, before + 1, nowMs, waitFor(before, maxMs));
    },
    exited: (clientId, nowMs, ranMs) => {
      const before = ranMs >= STABLE_MS ? 0 : (attempts.get(clientId)?.failures ?? 0);
      return set(clientId, before + 1, nowMs, before === 0 ? 0 : waitFor(before - 1));
    },
    succeeded: (clientId) => attempts.delete(clientId),
    backingOff: (clientId, nowMs) => nowMs < (attempts.get(clientId)?.notBeforeMs ?? 0),
    failures: (clientId) => attempts.get(clientId)?.failures ?? 0,
    take: (nowMs) => due.take(nowMs).map(({ clientId }) => clientId),
    nextMs: due.nextMs,
  };
}
