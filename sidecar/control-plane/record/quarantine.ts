/**
 * Quarantines refused heartbeats, concurrently with the rounds: a flood of garbage must not slow the fleet
 * down. What does not fit the queue is counted, and stays in its own topic for an hour.
 */
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import type { SaveOptions } from "./write.ts";
import { saveQuarantine, TermLost } from "./write.ts";

const QUEUE_MAX = 10_000;
const BATCH_MAX = 500;
const PAUSE_MS = 200;

export type QuarantineQueue = {
  readonly put: (refused: Refused) => void;
  /** Refused records that did not fit and were not copied. */
  readonly dropped: () => number;
  readonly run: (options: SaveOptions) => Promise<void>;
};

export function createQuarantineQueue(): QuarantineQueue {
  const queue: Refused[] = [];
  let dropped = 0;
  return {
    put: (refused) => {
      if (queue.length < QUEUE_MAX) queue.push(refused);
      else dropped += 1;
    },
    dropped: () => dropped,
    run: async (options) => {
      while (!options.signal.aborted) {
        const batch = queue.splice(0, BATCH_MAX);
        try {
          await saveQuarantine(batch, options);
        } catch (cause) {
          if (cause instanceof TermLost) return;
          throw cause;
        }
        if (batch.length < BATCH_MAX) await options.clock.sleep(PAUSE_MS, options.signal);
      }
    },
  };
}
