/** A broker's quota: it answers at once and is then deaf to the connection for a while, which is no hang. */

import { ByteReader } from "../api/bytes.ts";
import type { Call, KafkaRequest } from "../api/request.ts";
import { pause } from "../deadline.ts";
import type { KafkaError } from "../error.ts";

export type Throttle = {
  /** Takes from an answer how long the broker holds us back. `isFlexible`: its header ends with tagged fields. */
  readonly note: <T>(
    request: Pick<KafkaRequest<T>, "throttle">,
    version: number,
    body: Buffer,
    isFlexible: boolean,
  ) => void;
  /** Waits until the broker listens again. @returns an error when that is beyond the call's deadline */
  readonly hold: (call: Call, what: string) => Promise<KafkaError | undefined>;
  /** For how long the broker will not listen yet; below 0: since when it does. */
  readonly forMs: () => number;
};

const FIELD_BYTES = 4;

export function openThrottle(): Throttle {
  let untilMs = Number.NEGATIVE_INFINITY;
  return {
    note: (request, version, body, isFlexible) => {
      const heldMs = throttleMs(request, version, body, isFlexible);
      if (heldMs > 0) untilMs = Math.max(untilMs, performance.now() + heldMs);
    },
    hold: async (call, what) => {
      const waitMs = untilMs - performance.now();
      if (waitMs <= 0) return undefined;
      await pause(waitMs, call);
      if (waitMs < call.deadlineMs && call.signal?.aborted !== true) return undefined;
      const detail = `${what}: ${quotaText(waitMs)}`;
      return { code: "timeout", retry: "transient", detail, isThrottled: true };
    },
    forMs: () => untilMs - performance.now(),
  };
}

export const quotaText = (waitMs: number): string =>
  `the broker's quota holds us back for ${Math.ceil(waitMs)} ms`;

function throttleMs(
  { throttle }: Pick<KafkaRequest<unknown>, "throttle">,
  version: number,
  body: Buffer,
  isFlexible: boolean,
): number {
  if (throttle === "none" || version < throttle.from) return 0;
  const reader = new ByteReader(body);
  if (isFlexible) reader.tags();
  if (reader.left < FIELD_BYTES) return 0;
  return throttle.at === "start" ? reader.int32() : body.readInt32BE(body.length - FIELD_BYTES);
}
