/**
 * Folds heartbeats. This is the hot path: 33,000 a second for a million clusters at 30 s. A beat moves its
 * cluster's `seen`; only a change of state costs more.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KafkaRecord } from "../../../shared/kafka/batch/record.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { decodeHeartbeat, type Tick } from "../../../shared/protocol/message.ts";
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import { HEARTBEAT } from "../../../shared/protocol/topic.ts";
import { foldInstance } from "../fleet/contest.ts";
import type { Expiry } from "../fleet/expiry.ts";
import {
  type Beat,
  type Cluster,
  deadlineOf,
  type Fleet,
  type FleetSettings,
  foldBeat,
  type Seen,
  setFact,
} from "../fleet/fleet.ts";
import type { Ages, ClockIndex } from "../fleet/observed-time.ts";

/** How many ids of unregistered senders are remembered and shown; further ones are only counted. */
const UNREGISTERED_MAX = 1_000;

export type BeatCounts = {
  beats: number;
  legacyKeys: number;
  unregisteredBeats: number;
  readonly unregistered: Map<ClientId, number>;
  /** The observed time of the last beat of each partition. */
  readonly seen: (Seen | undefined)[];
};

export const createBeatCounts = (): BeatCounts => ({
  beats: 0,
  legacyKeys: 0,
  unregisteredBeats: 0,
  unregistered: new Map(),
  seen: [],
});

export type BeatDeps = {
  readonly fleet: Fleet;
  readonly ages: Ages;
  readonly expiry: Expiry;
  readonly settings: FleetSettings;
  readonly counts: BeatCounts;
  readonly isOwn: (tick: Tick) => boolean;
  /** A registered cluster's beat; `ageMs` is how old its sign of life had become. */
  readonly beat: (ageMs: number, skewMs: number | undefined) => void;
  /** Its state changed: it must be written and planned. */
  readonly changed: (cluster: Cluster) => void;
  /** A known cluster, perhaps a withdrawn one, asks for its standing. */
  readonly asked: (clientId: ClientId) => void;
  /** Two agents beat in turn from now on, or no longer do: to be written and logged. */
  readonly conflictChanged: (cluster: Cluster) => void;
  /** A beat of an unregistered or withdrawn cluster: a worker of that name is no orphan yet. */
  readonly unregistered: (clientId: ClientId) => void;
  readonly refused: (refused: Refused) => void;
  readonly clock: Clock;
};

/** Folds a batch; returns the clocks that were advanced by our own ticks in it. */
export function foldBeats(deps: BeatDeps, batch: ReadBatch): ReadonlySet<ClockIndex> {
  const advanced = new Set<ClockIndex>();
  const nowMs = deps.clock.nowMs();
  for (const record of batch.records) {
    for (const clock of foldRecord(deps, batch.partition, record, nowMs)) advanced.add(clock);
  }
  return advanced;
}

const NO_CLOCKS: readonly ClockIndex[] = [];

function foldRecord(
  deps: BeatDeps,
  partition: number,
  record: KafkaRecord,
  nowMs: number,
): readonly ClockIndex[] {
  const read = decodeHeartbeat(record.key, record.value);
  if (!read.ok) {
    const { offset, key, value } = record;
    const headers = record.headers();
    deps.refused({ topic: HEARTBEAT, partition, offset, key, value, headers, error: read.error });
    return NO_CLOCKS;
  }
  if (read.value.kind === "tick") {
    const { tick } = read.value;
    return deps.isOwn(tick) ? deps.ages.read(partition, tick.sequence) : NO_CLOCKS;
  }
  const { clientId, heartbeat, legacyKey } = read.value;
  if (legacyKey) deps.counts.legacyKeys += 1;
  const sentMs = Date.parse(heartbeat.timestamp ?? "");
  const receivedMs = record.timestampType === "append" ? record.timestampMs : nowMs;
  const skewMs = Number.isNaN(sentMs) ? undefined : receivedMs - sentMs;
  foldOne(deps, partition, clientId, { heartbeat, skewMs, atMs: receivedMs });
  return NO_CLOCKS;
}

function foldOne(deps: BeatDeps, partition: number, clientId: ClientId, beat: Beat): void {
  const { fleet, expiry, counts } = deps;
  counts.beats += 1;
  const cluster = fleet.clusters.get(clientId);
  if (beat.heartbeat.ask === true && cluster !== undefined) deps.asked(clientId);
  if (cluster === undefined || cluster.state === "withdrawn") {
    countUnregistered(counts, clientId);
    deps.unregistered(clientId);
    return;
  }
  deps.beat(expiry.ageMsOf(cluster), beat.skewMs);
  const changed = foldBeat(cluster, seenNow(deps, partition), beat);
  if (changed || cluster.due?.clock !== partition) expiry.schedule(cluster);
  if (changed) deps.changed(cluster);
  foldSender(deps, cluster, beat);
}

/** Which instance sent it: nearly always the same as before. */
function foldSender(deps: BeatDeps, cluster: Cluster, { heartbeat, atMs }: Beat): void {
  const { instance_id: instance, status } = heartbeat;
  const { beat: agents } = cluster;
  if (instance === undefined || agents === undefined) return;
  const known = cluster.facts?.conflict;
  const stopping = status === "stopping";
  const isUsual =
    instance === agents.lastInstance && agents.contest === undefined && known === undefined;
  if (isUsual && !stopping) return;
  const { ages, settings } = deps;
  const { staleAfterMs } = deadlineOf(cluster, settings);
  const observedMs = ages.observedMs(ages.joint);
  const at = { observedMs, nowMs: atMs, staleAfterMs };
  const conflict = foldInstance(agents, known, { instance, stopping }, at);
  const isSame = (conflict === undefined) === (known === undefined);
  if (isSame) return;
  setFact(cluster, "conflict", conflict);
  deps.conflictChanged(cluster);
}

/** All beats between two ticks have the same observed time, so they share one object. */
function seenNow({ ages, counts }: BeatDeps, partition: number): Seen {
  const atMs = ages.observedMs(partition);
  const last = counts.seen[partition];
  if (last !== undefined && last.atMs === atMs) return last;
  const seen = { clock: partition, atMs };
  counts.seen[partition] = seen;
  return seen;
}

function countUnregistered(counts: BeatCounts, clientId: ClientId): void {
  counts.unregisteredBeats += 1;
  const before = counts.unregistered.get(clientId) ?? 0;
  if (before === 0 && counts.unregistered.size >= UNREGISTERED_MAX) return;
  counts.unregistered.set(clientId, before + 1);
}
