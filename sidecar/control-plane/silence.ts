/**
 * Which clusters have crossed a deadline of observed silence. A beat costs no heap operation: it only
 * moves `seen`; a deadline that comes up is looked at again and put back where it belongs now.
 */
import type { Ages, ClockIndex } from "./age.ts";
import { createDeadlines } from "./deadline.ts";
import { type Cluster, deadlineOf, type FleetSettings, type Seen } from "./fleet.ts";

export type Age = "fresh" | "stale" | "dead";

export type Silence = {
  /** Puts the cluster's next deadline where it belongs; call after its state or clock changed. */
  readonly schedule: (cluster: Cluster) => void;
  /** Clusters whose deadline came up on these clocks, each with its age by now; not rescheduled. */
  readonly take: (clocks: readonly ClockIndex[]) => readonly { cluster: Cluster; age: Age }[];
  readonly ageOf: (cluster: Cluster) => Age;
  /** Observed ms since the last sign of life. */
  readonly ageMsOf: (cluster: Cluster) => number;
};

type Entry = { readonly cluster: Cluster; readonly due: Seen };

export function createSilence(ages: Ages, settings: FleetSettings): Silence {
  const heaps = Array.from({ length: ages.partitions + 1 }, () => createDeadlines<Entry>());

  const ageMsOf = ({ seen }: Cluster): number => ages.observedMs(seen.clock) - seen.atMs;

  const ageOf = (cluster: Cluster): Age => {
    const { staleAfterMs, deadAfterMs } = deadlineOf(cluster, settings);
    const ageMs = ageMsOf(cluster);
    if (ageMs > deadAfterMs) return "dead";
    return ageMs > staleAfterMs ? "stale" : "fresh";
  };

  const dueMs = (cluster: Cluster): number => {
    const { staleAfterMs, deadAfterMs } = deadlineOf(cluster, settings);
    const waitsForDeath = cluster.state === "stale" || cluster.state === "dead";
    return cluster.seen.atMs + (waitsForDeath ? deadAfterMs : staleAfterMs);
  };

  const schedule = (cluster: Cluster): void => {
    if (cluster.state === "withdrawn") {
      cluster.due = undefined;
      return;
    }
    const due = { clock: cluster.seen.clock, atMs: dueMs(cluster) };
    cluster.due = due;
    heaps[due.clock]?.add(due.atMs, { cluster, due });
  };

  const take: Silence["take"] = (clocks) => {
    const crossed: { cluster: Cluster; age: Age }[] = [];
    for (const clock of clocks) {
      for (const { cluster, due } of heaps[clock]?.take(ages.observedMs(clock)) ?? []) {
        if (cluster.due !== due) continue;
        const age = ageOf(cluster);
        const waitsForDeath = cluster.state === "stale" || cluster.state === "dead";
        if (age === "dead" || (age === "stale" && !waitsForDeath)) crossed.push({ cluster, age });
        else schedule(cluster);
      }
    }
    return crossed;
  };

  return { schedule, take, ageOf, ageMsOf };
}
