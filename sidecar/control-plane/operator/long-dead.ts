/** Which clusters `sidecar withdraw --dead-for` means, and whether anybody has listened long enough to say. Pure. */
import { formatDuration } from "../../../shared/duration.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Tick } from "../../../shared/protocol/message.ts";
import type { Cluster, Fleet } from "../fleet/fleet.ts";

const DAY_MS = 86_400_000;
/** As many intervals without a beat are a dead cluster; of an unknown interval the default of the deadline. */
const INTERVALS = 10;
const UNKNOWN_MS = 300_000;

/** Longest dead first. One whose tombstone is under way is not asked about again. */
export function longDead(fleet: Fleet, deadForMs: number, nowMs: number): readonly Cluster[] {
  return [...fleet.clusters.values()]
    .filter(({ state, sinceMs }) => state === "dead" && nowMs - sinceMs >= deadForMs)
    .sort((one, other) => one.sinceMs - other.sinceMs || (one.clientId < other.clientId ? -1 : 1));
}

/** Time for which the leader has listened to beats in this term, at least. */
export const listenedMs = ({ sequence, interval_ms }: Tick): number => sequence * interval_ms;

/** A cluster that beats would have been heard within so long. */
export const proofMs = (clusters: readonly Cluster[]): number =>
  clusters.reduce((most, { intervalSeconds }) => {
    const own = intervalSeconds === undefined ? UNKNOWN_MS : INTERVALS * intervalSeconds * 1000;
    return Math.max(most, own);
  }, 0);

/** One line each, for a person and for a script: the id first. */
export const deadLine = ({ clientId, sinceMs, reason }: Cluster, nowMs: number): string =>
  `  ${clientId}  dead since ${new Date(sinceMs).toISOString()} (${ageText(nowMs - sinceMs)}), ${
    reason === "never-heard" ? "never heard" : reason
  }`;

export function ageText(ms: number): string {
  if (ms >= DAY_MS) return `${Math.floor(ms / DAY_MS)}d`;
  return formatDuration(Math.floor(ms / 1000) * 1000);
}

/** Of those that were shown, the ones that still are as they were: nothing was heard or registered meanwhile. */
export function stillDead(shown: readonly Cluster[], now: readonly Cluster[]): readonly ClientId[] {
  const offsets = new Map(now.map(({ clientId, registry }) => [clientId, registry.offset]));
  return shown
    .filter(({ clientId, registry }) => offsets.get(clientId) === registry.offset)
    .map(({ clientId }) => clientId);
}
