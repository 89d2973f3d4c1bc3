/** A broker's quota: the broker answers at once and then mutes the connection for a while, which is no hang. */

import { sleep } from "../../clock.ts";
import type { Call } from "../../deadline.ts";
import { ByteReader } from "../api/bytes.ts";
import type { KafkaRequest } from "../api/request.ts";
import type { KafkaError } from "../error.ts";

export type Throttle = {
  /** Reads from an answer for how long the broker mutes us. `isFlexible`: its header ends with tagged fields. */
  readonly note: <T>(
    request: Pick<KafkaRequest<T>, "throttle">,
    version: number,
    body: Buffer,
    isFlexible: boolean,
  ) => void;
  /** Waits until the broker reads the connection again. @returns an error when that is after the call's deadline */
  readonly hold: (call: Call, what: string) => Promise<KafkaError | undefined>;
  /** For how much longer the broker mutes us; negative: how long ago that ended. */
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
      await sleep(Math.min(waitMs, call.deadlineMs), call.signal);
      if (waitMs < call.deadlineMs && call.signal?.aborted !== true) return undefined;
      const detail = `${what}: ${quotaText(waitMs)}`;
      return { code: "timeout", retry: "transient", detail, isThrottled: true };
    },
    forMs: () => untilMs - performance.now(),
  };
}

export const quotaText = (waitMs: number): string =>
  `the broker's quota mutes us for ${Math.ceil(waitMs)} ms`;

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
