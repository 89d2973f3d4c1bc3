/**
 * The control plane's metrics: the original's three, and ours (`outrider_*`). Ages and sizes are computed
 * when the metrics are read.
 */
import type { Clock } from "../../shared/clock.ts";
import type { Metrics } from "../../shared/metrics.ts";
import { openRolloutGauges } from "./api/rollout.ts";
import { openClusterGauges } from "./cluster-metrics.ts";
import type { Cluster } from "./fleet/fleet.ts";
import type { SeenTick } from "./follow/leader-watch.ts";
import type { Term } from "./leader/term.ts";
import type { Act } from "./plan/act.ts";
import type { FleetConditions } from "./plan/input.ts";
import type { Recorder } from "./recorder.ts";

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const AGE_SECONDS = [1, 5, 15, 30, 45, 60, 90, 120, 180, 300, 600];
const SKEW_SECONDS = [-3600, -300, -60, -10, -1, -0.1, 0, 0.1, 1, 10, 60, 300, 3600];
const ROUND_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** How many refusal codes have a label of their own; beyond this, codes of a later version count as `_other`. */
const REASONS_MAX = 16;
const ACTIONS = ["start", "stop", "delete-group"] as const satisfies readonly Act["kind"][];
export type MetricSources = {
  readonly term: () => Term | undefined;
  /** From the ledger if we do not lead. */
  readonly clusters: () => Iterable<Cluster>;
  readonly clock: Clock;
  readonly quarantineDropped: () => number;
  readonly ready: () => boolean;
  /** The newest tick of another leader, while we do not lead. */
  readonly leaderTick: () => SeenTick | undefined;
  /** Monotonic ms. */
  readonly startedMs: number;
  /** WATERMARK_INTERVAL. */
  readonly ownIntervalMs: number;
};

export function openRecorder(metrics: Metrics): Recorder {
  const event = openEvents(metrics);
  const beat = openBeats(metrics);
  const refused = metrics.counter({
    name: "outrider_quarantined_records_total",
    help: "Records that were refused, by reason",
    labels: { topic: ["registry", "heartbeat"], reason: { valuesMax: REASONS_MAX } },
  });
  const judged = metrics.counter({
    name: "outrider_registry_records_total",
    help: "Registry records that were accepted",
    labels: { kind: ["registration", "tombstone"] },
  });
  const rounds = metrics.histogram({
    name: "outrider_round_seconds",
    help: "Duration of a leader's round, without its acts",
    buckets: ROUND_SECONDS,
  });
  const ticksFailed = metrics.counter({
    name: "outrider_tick_failures_total",
    help: "Ticks that were not written: meanwhile no cluster of that partition ages",
  });
  const fences = metrics.histogram({
    name: "outrider_fence_seconds",
    help: "Duration of a confirmed fence",
    buckets: ROUND_SECONDS,
  });
  return {
    event,
    beat,
    refused: (topic, reason) => refused.add(1, { topic, reason }),
    judged: ({ registrations, tombstones }) => {
      judged.add(registrations, { kind: "registration" });
      judged.add(tombstones, { kind: "tombstone" });
    },
    round: (tookMs) => rounds.observe(tookMs / 1000),
    tickFailed: () => ticksFailed.add(1),
    fenced: (tookMs) => fences.observe(tookMs / 1000),
  };
}

function openEvents(metrics: Metrics): Recorder["event"] {
  const spawned = metrics.counter({
    name: "kg_control_plane_spawn_operations_total",
    help: "Worker starts that the runtime confirmed, respawns and replacements included",
  });
  const cleaned = metrics.counter({
    name: "kg_control_plane_cleanup_operations_total",
    help: "Completed clean-ups: of dead clusters, withdrawn clusters and orphans",
  });
  const failed = metrics.counter({
    name: "outrider_act_failures_total",
    help: "Acts that failed and are tried again",
    labels: { action: ACTIONS },
  });
  const exits = metrics.counter({
    name: "outrider_worker_exits_total",
    help: "Workers that exited by themselves, also while nobody led",
  });
  const toSpawn = metrics.histogram({
    name: "outrider_registration_to_spawn_seconds",
    help: "From a registration read to its worker's confirmed start",
    buckets: SECONDS,
  });
  const toStop = metrics.histogram({
    name: "outrider_tombstone_to_stop_seconds",
    help: "From a tombstone read to its worker's confirmed end",
    buckets: SECONDS,
  });
  return (event) => {
    switch (event.kind) {
      case "spawned":
        spawned.add(1);
        if (event.afterMs !== undefined) toSpawn.observe(event.afterMs / 1000);
        return;
      case "stopped":
        if (event.afterMs !== undefined) toStop.observe(event.afterMs / 1000);
        return;
      case "cleaned":
        return cleaned.add(1);
      case "failed":
        return failed.add(1, { action: event.action });
      case "exited":
        return exits.add(1);
    }
  };
}

function openBeats(metrics: Metrics): Recorder["beat"] {
  const age = metrics.histogram({
    name: "outrider_heartbeat_age_seconds",
    help: "Age of the last sign of life, in observed time, when the next beat was read",
    buckets: AGE_SECONDS,
  });
  const skew = metrics.histogram({
    name: "outrider_heartbeat_skew_seconds",
    help: "The broker's append time minus the sender's timestamp; shown, never decided on",
    buckets: SKEW_SECONDS,
  });
  return (ageMs, skewMs) => {
    age.observe(ageMs / 1000);
    if (skewMs !== undefined) skew.observe(skewMs / 1000);
  };
}

export function openControlPlaneMetrics(metrics: Metrics, readings: MetricSources): void {
  const { term } = readings;
  openClusterGauges(metrics, readings.clusters);
  const gauge = gaugesOf(metrics);
  openStandingGauges(gauge, readings);
  /** The fleet is counted for the brake only once per rendering. */
  let conditions: FleetConditions | undefined;
  metrics.beforeText(() => {
    conditions = term()?.conditions();
  });
  const brake = () => conditions?.brake();
  gauge("workers", "Workers of this fleet that the runtime lists", () =>
    term()?.leaderState.actual.count(),
  );
  const orphans = () => conditions?.orphans();
  gauge("alias_workers", "Workers that carry a former name of the fleet (FLEET_ALIASES)", () =>
    term()?.leaderState.actual.underAlias(),
  );
  gauge("orphan_workers", "Workers of this fleet without a registration", () => orphans()?.orphans);
  gauge(
    "orphans_held",
    "Workers without a registration that a hold keeps from being stopped",
    () => (orphans()?.holds === true ? orphans()?.orphans : 0),
  );
  gauge(
    "tick_age_seconds",
    "Age of the newest own tick read back, of the slowest heartbeat partition",
    () => tickAge(readings),
  );
  gauge("brake_silent_clusters", "Clusters silent for the brake", () => brake()?.silent);
  gauge("brake_counted_clusters", "Clusters that the brake counts", () => brake()?.counted);
  gauge("brake_holds", "1 while the brake holds clean-ups", () =>
    brake()?.holds === true ? 1 : 0,
  );
  openRolloutGauges(gauge, term);
  gauge("held_clusters", "Clusters whose clean-up waits", () => term()?.leaderState.held.size);
  gauge(
    "unregistered_beats",
    "Beats of this term for ids without a registration",
    () => term()?.counts.unregisteredBeats,
  );
  gauge(
    "legacy_key_beats",
    "Beats of this term with a key of the form X::X",
    () => term()?.counts.legacyKeys,
  );
  gauge(
    "quarantine_dropped",
    "Refused beats not copied: the queue was full",
    readings.quarantineDropped,
  );
}

type AddGauge = (name: string, help: string, read: () => number | undefined) => void;

const gaugesOf =
  (metrics: Metrics): AddGauge =>
  (name, help, read) => {
    const metric = metrics.gauge({ name: `outrider_${name}`, help });
    metrics.beforeText(() => metric.set(read() ?? 0));
  };

/** Who leads, as this control plane sees it. */
function openStandingGauges(gauge: AddGauge, readings: MetricSources): void {
  const { term } = readings;
  gauge("leader", "1 while this control plane leads", () => (term() === undefined ? 0 : 1));
  gauge("nobody_leads", "1 when no leader was seen for 25 s, or three of its ticks", () =>
    nobodyLeads(readings) ? 1 : 0,
  );
  gauge(
    "ready",
    "1 while it is ready: it leads or follows, or Kafka is away for a minute at most",
    () => (readings.ready() ? 1 : 0),
  );
  gauge("leader_epoch", "Epoch of the own term; 0 while it does not lead", () => term()?.epoch);
}

/** A failover takes less, with the defaults. */
const LEADERLESS_MS = 25_000;
const TICKS_MISSED = 3;

/** As far as this control plane can see: while Kafka cannot be read, it sees no leader. */
function nobodyLeads(readings: MetricSources): boolean {
  const {
    term,
    clock: { monotonicMs },
    leaderTick,
    startedMs,
    ownIntervalMs,
  } = readings;
  const own = term();
  const tick = leaderTick();
  const ownMs = own && (own.ages.newestReadMs() ?? own.beganMs);
  const seenMs = Math.max(startedMs, tick?.atMs ?? 0, ownMs ?? 0);
  const intervalMs = Math.max(ownIntervalMs, tick?.intervalMs ?? 0);
  const patienceMs = Math.max(LEADERLESS_MS, TICKS_MISSED * intervalMs);
  return monotonicMs() - seenMs > patienceMs;
}

/** For the slowest partition: while this grows, its clusters do not age. */
function tickAge({ term, clock: { monotonicMs } }: MetricSources): number | undefined {
  const now = term();
  if (now === undefined) return undefined;
  return (monotonicMs() - (now.ages.slowestReadMs() ?? now.beganMs)) / 1000;
}
