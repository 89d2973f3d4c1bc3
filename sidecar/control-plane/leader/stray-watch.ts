/** Checks from time to time whether stray members have left the groups in which they were found. */
import { sleep } from "../../../shared/clock.ts";
import type { Log } from "../../../shared/log.ts";
import { groupOf } from "../../../shared/protocol/client-id.ts";
import type { Groups } from "../act/groups.ts";
import { type Cluster, setFact } from "../fleet/fleet.ts";
import { strayLives } from "../fleet/stray.ts";
import type { LeaderState } from "../state/leader-state.ts";

/** Runs until the signal aborts. While a withdrawal is pending, its own attempts show it. */
export async function watchStrays(deps: {
  readonly leaderState: LeaderState;
  readonly groups: Pick<Groups, "members">;
  readonly settings: { readonly reconcileIntervalMs: number };
  readonly log: Pick<Log, "info">;
  readonly signal: AbortSignal;
  readonly wake: () => void;
}): Promise<void> {
  const { leaderState, groups, settings, log, signal } = deps;
  const look = async (cluster: Cluster): Promise<void> => {
    const { clientId } = cluster;
    const found = await groups.members(groupOf(clientId), signal);
    const stray = cluster.facts?.stray;
    // "Could not ask" is not "gone".
    if (!found.ok || stray === undefined || strayLives(stray, found.value)) return;
    setFact(cluster, "stray", undefined);
    leaderState.unsaved.add(clientId);
    deps.wake();
    log.info("the stray member has left the group", { client_id: clientId });
  };
  while (!signal.aborted) {
    await sleep(settings.reconcileIntervalMs, signal);
    for (const cluster of leaderState.fleet.clusters.values()) {
      if (signal.aborted) return;
      if (cluster.facts?.stray !== undefined && cluster.withdrawal !== "pending")
        await look(cluster);
    }
  }
}
