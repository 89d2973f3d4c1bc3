/**
 * Whether a control plane is ready. Pure, except that a spot remembers when its trouble began.
 *
 * It is ready while it leads or follows. It is not ready when Kafka answers but it can do neither, or when
 * Kafka has been silent for longer than a minute. So a Kafka that starts or restarts within a minute delays
 * neither an installation nor a rollout.
 */
import type { KafkaError } from "../../../shared/kafka/error.ts";

const SILENCE_MAX_MS = 60_000;

/** A problem that prevents leading or following. */
export type Trouble = {
  readonly detail: string;
  /** Kafka answered, so waiting alone may not help; false while it does not answer. */
  readonly answered: boolean;
};

export type LastingTrouble = Trouble & {
  /** Monotonic ms at which it began; its detail may have changed since. */
  readonly sinceMs: number;
};

/** One place where a problem can occur. */
export type TroubleSpot = {
  /** @returns true when this is new: log it */
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

/** The problem to show, and whether it makes the control plane unready; one that does comes first. */
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
