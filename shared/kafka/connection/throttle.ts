/** A broker's quota: it answers at once and is then deaf to the connection for a while, which is no hang. */

import type { Call, KafkaRequest } from "../api/request.ts";
import { pause } from "../deadline.ts";
import type { KafkaError } from "../error.ts";

export type Throttle = {
  /** Takes from an answer how long the broker holds us back. */
  readonly note: <T>(request: KafkaRequest<T>, version: number, body: Buffer) => void;
  /** Waits until the broker listens again. @returns an error when that is beyond the call's deadline */
  readonly hold: (call: Call, what: string) => Promise<KafkaError | undefined>;
};

export function openThrottle(): Throttle {
  let untilMs = 0;
  return {
    note: ({ throttle }, version, body) => {
      if (throttle === undefined || version < throttle.from || body.length < 4) return;
      const heldMs = body.readInt32BE(throttle.at === "start" ? 0 : body.length - 4);
      untilMs = Math.max(untilMs, performance.now() + heldMs);
    },
    hold: async (call, what) => {
      const waitMs = untilMs - performance.now();
      if (waitMs <= 0) return undefined;
      await pause(waitMs, call);
      if (waitMs < call.deadlineMs && call.signal?.aborted !== true) return undefined;
      const detail = `${what}: the broker's quota holds us back for ${Math.ceil(waitMs)} ms`;
      return { code: "timeout", retry: "transient", detail };
    },
  };
}
