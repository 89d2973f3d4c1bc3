/**
 * Turns the failures of a consumer's parts into two events: unreachable once, and recovered once all of
 * them work again.
 */

import type { KafkaError } from "../error.ts";
import type { ReadProblem } from "./delivery.ts";

export type ConsumerHealth = {
  readonly note: (source: string, error: KafkaError | undefined) => void;
  /** Forgets sources that no longer matter, such as a broker that leads none of our partitions any more. */
  readonly keep: (sources: ReadonlySet<string>) => void;
};

export function openHealth(problem: (problem: ReadProblem) => void): ConsumerHealth {
  const failing = new Set<string>();

  const heal = (source: string) => {
    if (failing.delete(source) && failing.size === 0) problem({ kind: "recovered" });
  };

  return {
    note: (source, error) => {
      if (error === undefined) return heal(source);
      const first = failing.size === 0;
      failing.add(source);
      if (first) problem({ kind: "unreachable", error });
    },
    keep: (sources) => {
      for (const source of [...failing]) if (!sources.has(source)) heal(source);
    },
  };
}
