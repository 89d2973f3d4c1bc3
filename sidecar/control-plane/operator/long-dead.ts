/**
 * Which clusters `sidecar withdraw --dead-for` selects, and whether the leader has listened long enough to
 * know. Pure.
 */
import { formatDuration } from "../../../shared/duration.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Tick } from "../../../shared/protocol/message.ts";
import type { Cluster, Fleet } from "../fleet/fleet.ts";

const DAY_MS = 86_400_000;
/**
 * After this many intervals without a beat a cluster is dead; if its interval is not known, the default
 * deadline applies.
 */
const INTERVALS = 10;
const UNKNOWN_MS = 300_000;

/** The longest dead first, without those whose tombstone is already under way. */
export function longDead(fleet: Fleet, deadForMs: number, nowMs: number): readonly Cluster[] {
  return [...fleet.clusters.values()]
    .filter(({ state, sinceMs }) => state === "dead" && nowMs - sinceMs >= deadForMs)
    .sort((one, other) => one.sinceMs - other.sinceMs || (one.clientId < other.clientId ? -1 : 1));
}

/** For at least how long the leader has listened to beats in this term. */
export const listenedMs = ({ sequence, interval_ms }: Tick): number => sequence * interval_ms;

/** A beating cluster would have been heard within this time. */
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

/** Of those that were shown, the ones that are unchanged: no beat or registration came meanwhile. */
export function stillDead(shown: readonly Cluster[], now: readonly Cluster[]): readonly ClientId[] {
  const offsets = new Map(now.map(({ clientId, registry }) => [clientId, registry.offset]));
  return shown
    .filter(({ clientId, registry }) => offsets.get(clientId) === registry.offset)
    .map(({ clientId }) => clientId);
}
