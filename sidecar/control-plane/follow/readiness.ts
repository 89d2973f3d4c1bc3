/**
 * Whether a control plane is ready. Pure, but for a spot's memory of when its trouble began.
 *
 * It is ready while it leads or follows. It is not when Kafka answers and it can do neither, and not when
 * Kafka has been silent for longer than a minute: until then a Kafka that is only on its way, or restarts,
 * holds up neither an installation nor a rollout.
 */
import type { KafkaError } from "../../../shared/kafka/error.ts";

const SILENCE_MAX_MS = 60_000;

/** What stands in the way of leading or following. */
export type Trouble = {
  readonly detail: string;
  /** Kafka answered, so that waiting alone need not help; false while it does not answer. */
  readonly answered: boolean;
};

export type LastingTrouble = Trouble & {
  /** Monotonic ms at which it began; its detail may have changed since. */
  readonly sinceMs: number;
};

/** One place where trouble can be. */
export type TroubleSpot = {
  /** @returns true when this is said for the first time: log it */
  readonly note: (trouble: Trouble | undefined) => boolean;
  readonly present: () => LastingTrouble | undefined;
};

export function createTroubleSpot(monotonicMs: () => number): TroubleSpot {
  let present: LastingTrouble | undefined;
  return {
    note: (trouble) => {
      const isNews = trouble !== undefined && trouble.detail !== present?.detail;
      if (trouble === undefined) present = undefined;
      else present = { ...trouble, sinceMs: present?.sinceMs ?? monotonicMs() };
      return isNews;
    },
    present: () => present,
  };
}

/** No answer, or none yet: a leader or coordinator is being elected. */
const UNANSWERED: ReadonlySet<KafkaError["code"]> = new Set([
  ...(["unreachable", "timeout", "not-leader", "not-coordinator", "rebalancing"] as const),
]);

export const troubleOf = ({ code, detail }: Pick<KafkaError, "code" | "detail">): Trouble => ({
  detail,
  answered: !UNANSWERED.has(code),
});

/** The trouble to show, and whether it makes the control plane unready: what does comes first. */
export function judgeTroubles(
  troubles: readonly (LastingTrouble | undefined)[],
  nowMs: number,
): { readonly ready: boolean; readonly detail: string | undefined } {
  const there = troubles.filter((trouble) => trouble !== undefined);
  const closing = there.find(
    ({ answered, sinceMs }) => answered || nowMs - sinceMs > SILENCE_MAX_MS,
  );
  return { ready: closing === undefined, detail: (closing ?? there[0])?.detail };
}
