/**
 * `sidecar control-plane --plan`: folds ledger and registry, lists the workers, and prints what a new
 * leader would do. Joins no group and writes nothing.
 */

import type { Clock } from "../../../shared/clock.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { endOffsets, startOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import { readToEnd } from "../../../shared/kafka/consumer/read-until.ts";
import { exitCodeOf, type KafkaError } from "../../../shared/kafka/error.ts";
import type { KafkaLog } from "../../../shared/kafka/log.ts";
import { decodeControl } from "../../../shared/protocol/control.ts";
import { CONTROL, REGISTRY } from "../../../shared/protocol/topic.ts";
import { ok, type Result } from "../../../shared/result.ts";
import { foldChanges } from "../act/outcome.ts";
import { foldRollout } from "../act/rollout.ts";
import { createExpiry } from "../fleet/expiry.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { createAges } from "../fleet/observed-time.ts";
import { createInbox } from "../inbox.ts";
import { type FleetIdentity, refuseFleet } from "../leader/identity.ts";
import { historyOf, registryStarts } from "../leader/promotion.ts";
import type { TermSettings } from "../leader/term.ts";
import { readConditions } from "../plan/input.ts";
import { admit } from "../registry/admission.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { createActual } from "../state/actual-state.ts";
import { createBackoffs } from "../state/backoff.ts";
import { openLeaderState } from "../state/leader-state.ts";
import { begin, forgetOffsets } from "../state/ledger.ts";
import { specHashOf, type WorkerSettings } from "../worker/spec.ts";
import { type FirstRound, laterLines, planLines } from "./plan-lines.ts";
import { READ_CALL, readLedger } from "./read-ledger.ts";

const CALL = { deadlineMs: 10_000 } as const;

export type DryRunDeps = {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
  readonly say: (line: string) => void;
  readonly runtime: Runtime;
  readonly worker: WorkerSettings;
  readonly settings: TermSettings;
  readonly identity: FleetIdentity;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

export async function dryRun(deps: DryRunDeps): Promise<ExitCode> {
  const { say } = deps;
  const fleet = await readLedger(deps);
  if (!fleet.ok) return failed(deps, fleet.error);
  const pending = await foldRegistry(deps, fleet.value);
  if (!pending.ok) return failed(deps, pending.error);
  for (const line of pending.value.lines) say(line);
  const refused = refuseFleet(deps.identity, pending.value.lastFleet);
  const listing = await deps.runtime.list(deps.signal);
  if (!listing.ok) {
    say(`the workers could not be listed: ${listing.error.detail}`);
    return EXIT.unavailable;
  }
  if (refused !== undefined) {
    say(`this control plane would not lead: ${refused}`);
    return EXIT.configuration;
  }
  const { lines, later } = planFirst(deps, fleet.value, listing.value);
  for (const line of [...lines, ...laterLines(later)]) say(line);
  const clusters = fleet.value.clusters.size;
  say(`${lines.length} steps for ${clusters} clusters; nothing was written, nothing was done`);
  return EXIT.done;
}

function failed({ say }: DryRunDeps, error: KafkaError): ExitCode {
  say(error.detail);
  return exitCodeOf(error);
}

/** Judges the records beyond `_applied`, in memory. Returns remarks about them. */
async function foldRegistry(deps: DryRunDeps, fleet: Fleet): Promise<Result<Pending, KafkaError>> {
  const { client } = deps;
  const metadata = await client.metadata([REGISTRY, CONTROL], CALL);
  if (!metadata.ok) return metadata;
  const topicId = metadata.value.topics.find(({ name }) => name === REGISTRY)?.topicId ?? "";
  const starts = await startOffsets(client, REGISTRY, CALL);
  if (!starts.ok) {
    const none = { lines: [`there is no ${REGISTRY} yet`], lastFleet: undefined };
    return starts.error.code === "unknown-topic" ? ok(none) : starts;
  }
  const ends = await endOffsets(client, REGISTRY, CALL);
  if (!ends.ok) return ends;
  const control = await readControl(deps);
  if (!control.ok) return control;
  const { accepted, lastFleet } = control.value;
  const known = { fleet, topicId, epoch: fleet.epoch, accepted };
  const from = registryStarts(known, starts.value, ends.value);
  const inbox = createInbox(deps.clock.monotonicMs);
  const offsets = new Map(from.map((start) => [start.partition, start.from]));
  const read = await readToEnd(
    deps,
    REGISTRY,
    READ_CALL,
    (batch) => void inbox.registry(batch),
    offsets,
  );
  if (!read.ok) return read;
  const seen = { clock: 1, atMs: 0 };
  for (const { partition } of from.filter(({ madeAgain }) => madeAgain)) {
    forgetOffsets(fleet, partition);
  }
  const at = { seen, nowMs: deps.clock.nowMs(), topicId, history: historyOf(from) };
  const judged = admit(fleet, inbox.take().registry, at);
  for (const { partition, applied } of from) fleet.applied.set(partition, applied);
  const lines = [
    ...(from.some(({ madeAgain }) => madeAgain)
      ? ["the registry was recreated: clean-ups and orphan stops would be held"]
      : []),
    ...judged.refused.map(
      ({ partition, offset, error }) =>
        `quarantine ${REGISTRY}-${partition} @ ${offset}: ${error.code}: ${error.detail}`,
    ),
  ];
  return ok({ lines, lastFleet });
}

type Pending = { readonly lines: readonly string[]; readonly lastFleet: string | undefined };
type Control = {
  readonly accepted: ReadonlyMap<string, number>;
  readonly lastFleet: string | undefined;
};

async function readControl(deps: DryRunDeps): Promise<Result<Control, KafkaError>> {
  const accepted = new Map<string, number>();
  let lastFleet: string | undefined;
  const read = await readToEnd(deps, CONTROL, READ_CALL, ({ records }) => {
    for (const { key, value, offset } of records) {
      const entry = decodeControl(key, value);
      if (!entry.ok) continue;
      if (entry.value.kind === "leader") lastFleet = entry.value.leader.fleet;
      if (entry.value.kind !== "accept-registry") continue;
      accepted.set(entry.value.acceptRegistry.topic_id, offset);
    }
  });
  if (!read.ok && read.error.code !== "unknown-topic") return read;
  return ok({ accepted, lastFleet });
}

/** As a new leader sees it at first: every cluster at age zero. */
function planFirst(
  deps: DryRunDeps,
  fleet: Fleet,
  listing: Parameters<ReturnType<typeof createActual>["fold"]>[0],
): FirstRound {
  const { settings, worker } = deps;
  const ages = createAges({
    partitions: 1,
    intervalMs: settings.watermarkIntervalMs,
    heartbeatTimeoutMs: settings.heartbeatTimeoutMs,
  });
  const actual = createActual(worker.fleet, settings.fleetAliases);
  const specHash = specHashOf(worker);
  const leaderState = openLeaderState({
    ...{ fleet, actual, specHash, backoffs: createBackoffs(() => 0) },
    expiry: createExpiry(ages, settings),
  });
  const at = { monotonicMs: deps.clock.monotonicMs(), nowMs: deps.clock.nowMs() };
  begin(leaderState, ages);
  const changes = actual.fold(listing, 0);
  const seen = { clock: ages.joint, atMs: 0 };
  const outcomes = { runtime: deps.runtime.runtime, tell: () => undefined };
  foldChanges(leaderState, changes, { ...at, seen }, outcomes);
  foldRollout(leaderState, {
    changed: changes.changed,
    beganMs: at.monotonicMs,
    minReadyMs: settings.workerMinReadyMs,
  });
  const conditions = readConditions(leaderState, {
    registryHarmful: false,
    specHash,
    ...at,
    workerMinReadyMs: settings.workerMinReadyMs,
    cleanupTimeoutMs: settings.cleanupTimeoutMs,
    brakePercent: settings.brakePercent,
  });
  return planLines({ leaderState, ages, conditions, worker });
}
