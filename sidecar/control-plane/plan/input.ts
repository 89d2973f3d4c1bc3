/** What the planner is told about one cluster, and why clean-ups wait. Pure: reads the book only. */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { type BrakeReading, readBrake } from "../fleet/brake.ts";
import type { Cluster } from "../fleet/fleet.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Book } from "../state/leader-state.ts";
import type { Hold, Situation } from "./plan.ts";

/** Workers replaced for a new spec at the same time. */
export const REPLACED_AT_ONCE_MAX = 5;

/** A worker that is starting or stopping for longer is stuck, and is stopped where that is due. */
const CHANGING_MAX_MS = 60_000;

/** What holds for the whole fleet in one round. */
export type Weather = {
  /** Counted when first asked for: a round costs what changed, not the size of the fleet. */
  readonly brake: () => BrakeReading;
  /** The registry was made again, and nobody has said that this is right. */
  readonly registryMadeAgain: boolean;
  /** Not compacted: old registrations may be missing from it. */
  readonly registryHarmful: boolean;
  readonly specHash: string;
  readonly monotonicMs: number;
  readonly cleanupTimeoutMs: number;
};

export function readWeather(
  book: Book,
  known: Omit<Weather, "brake" | "registryMadeAgain"> & { readonly brakePercent: number },
): Weather {
  const { isSilent } = book.silence;
  const { brakePercent, ...rest } = known;
  let reading: BrakeReading | undefined;
  return {
    ...rest,
    brake: () => {
      reading ??= readBrake(book.fleet.clusters.values(), isSilent, brakePercent);
      return reading;
    },
    registryMadeAgain: [...book.fleet.applied.values()].some(({ held }) => held === true),
  };
}

/** Why a cluster that is past its last deadline is not cleaned up; undefined: it is. */
export function cleanupHold(cluster: Cluster, ages: Ages, weather: Weather): Hold | undefined {
  if (weather.registryMadeAgain) return "registry-made-again";
  if (ages.inGap(cluster.seen.clock)) return "gap";
  return !cluster.released && weather.brake().holds ? "brake" : undefined;
}

function orphanHold(book: Book, ages: Ages, weather: Weather): Hold | undefined {
  if (weather.registryMadeAgain) return "registry-made-again";
  if (weather.registryHarmful) return "registry-harmful";
  if (!hasRegistration(book)) return "registry-empty";
  if (ages.inGap(ages.joint)) return "gap";
  return weather.brake().holds ? "brake" : undefined;
}

export function hasRegistration(book: Book): boolean {
  for (const { registry } of book.fleet.clusters.values()) if (registry.value !== null) return true;
  return false;
}

export function situationOf(
  book: Book,
  clientId: ClientId,
  ages: Ages,
  weather: Weather,
): Situation {
  const cluster = book.fleet.clusters.get(clientId);
  const workers = book.actual.workersOf(clientId);
  const orphan = cluster === undefined && workers.length > 0;
  return {
    cluster,
    expired: cluster !== undefined && book.silence.ageOf(cluster) === "dead",
    listed: book.actual.listed(),
    workers,
    foreign: book.actual.foreignOf(clientId),
    specHash: weather.specHash,
    changingTooLong: changedLongAgo(book, clientId, weather.monotonicMs),
    busy: book.busy.has(clientId),
    backingOff: book.retries.backingOff(clientId, weather.monotonicMs),
    holdCleanup: cluster?.state === "dead" ? cleanupHold(cluster, ages, weather) : undefined,
    holdOrphan: orphan ? orphanHold(book, ages, weather) : undefined,
    orphanExpired: orphan && orphanExpired(book, clientId, ages, weather.cleanupTimeoutMs),
    replaceable: book.replacing.has(clientId) || book.replacing.size < REPLACED_AT_ONCE_MAX,
  };
}

function orphanExpired(
  book: Book,
  clientId: ClientId,
  ages: Ages,
  cleanupTimeoutMs: number,
): boolean {
  const sinceMs = book.orphanSince.get(clientId);
  return sinceMs !== undefined && ages.observedMs(ages.joint) - sinceMs > cleanupTimeoutMs;
}

const changedLongAgo = (book: Book, clientId: ClientId, monotonicMs: number): boolean =>
  monotonicMs - (book.changingSince.get(clientId) ?? monotonicMs) > CHANGING_MAX_MS;
