/**
 * Which clusters have crossed a deadline of observed silence. A beat needs no heap operation: it only moves
 * `seen`. A deadline that comes up is checked again, and put back if it now lies later.
 */

import { type Cluster, deadlineOf, type FleetSettings, type Seen } from "./fleet.ts";
import type { Ages, ClockIndex } from "./observed-time.ts";
import { createTimerHeap } from "./timer-heap.ts";

export type Age = "fresh" | "stale" | "dead";

export type Expiry = {
  /** Schedules the cluster's next deadline; call it after its state or clock changed. */
  readonly schedule: (cluster: Cluster) => void;
  /** Clusters whose deadline came up on these clocks, each with its present age; not rescheduled. */
  readonly take: (clocks: readonly ClockIndex[]) => readonly Crossing[];
  readonly ageOf: (cluster: Cluster) => Age;
  /** Past its stale deadline, or returned less than a stale deadline ago; for the brake. */
  readonly isSilent: (cluster: Cluster) => boolean;
  /** Observed ms since the last sign of life. */
  readonly ageMsOf: (cluster: Cluster) => number;
};

export type Crossing = { readonly cluster: Cluster; readonly age: Age };

/** A deadline in a heap. It counts only while it is its cluster's `due`. */
type Entry = Seen & { readonly cluster: Cluster };

const waitsForDeath = ({ state }: Cluster): boolean => state === "stale" || state === "dead";

export function createExpiry(ages: Ages, settings: FleetSettings): Expiry {
  const heaps = Array.from({ length: ages.partitions + 1 }, () => createTimerHeap<Entry>());

  const ageMsOf = ({ seen }: Cluster): number => ages.observedMs(seen.clock) - seen.atMs;

  const ageOf = (cluster: Cluster): Age => {
    const { staleAfterMs, deadAfterMs } = deadlineOf(cluster, settings);
    const ageMs = ageMsOf(cluster);
    if (ageMs > deadAfterMs) return "dead";
    return ageMs > staleAfterMs ? "stale" : "fresh";
  };

  /** When many return, some come a little later: the return of the first must not stop the workers of the last. */
  const isSilent = (cluster: Cluster): boolean => {
    if (ageOf(cluster) !== "fresh") return true;
    const { returned } = cluster;
    if (returned === undefined) return false;
    const sinceMs = ages.observedMs(returned.clock) - returned.atMs;
    return sinceMs < deadlineOf(cluster, settings).staleAfterMs;
  };

  const dueMs = (cluster: Cluster): number => {
    const { staleAfterMs, deadAfterMs } = deadlineOf(cluster, settings);
    return cluster.seen.atMs + (waitsForDeath(cluster) ? deadAfterMs : staleAfterMs);
  };

  const schedule = (cluster: Cluster): void => {
    if (cluster.state === "withdrawn") {
      cluster.due = undefined;
      return;
    }
    const due = { clock: cluster.seen.clock, atMs: dueMs(cluster), cluster };
    cluster.due = due;
    heaps[due.clock]?.add(due);
  };

  /** A deadline that came up: crossed, or scheduled again. */
  const cross = (due: Entry): Crossing | undefined => {
    const { cluster } = due;
    if (cluster.due !== due) return undefined;
    const age = ageOf(cluster);
    if (age === "dead" || (age === "stale" && !waitsForDeath(cluster))) return { cluster, age };
    schedule(cluster);
    return undefined;
  };

  const take: Expiry["take"] = (clocks) =>
    clocks
      .flatMap((clock) => heaps[clock]?.take(ages.observedMs(clock)) ?? [])
      .map(cross)
      .filter((crossing) => crossing !== undefined);

  return { schedule, take, ageOf, isSilent, ageMsOf };
}
