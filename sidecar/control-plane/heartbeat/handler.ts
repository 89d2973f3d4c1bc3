/** What a term does with the heartbeats that it reads: the fold, the clocks, and what is refused. */
import type { Clock } from "../../../shared/clock.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import type { Log } from "../../../shared/log.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import type { Cluster, FleetSettings } from "../fleet/fleet.ts";
import type { Ages } from "../fleet/observed-time.ts";
import type { Inbox } from "../inbox.ts";
import type { QuarantineQueue } from "../record/quarantine.ts";
import type { Recorder } from "../recorder.ts";
import { type LeaderState, touch } from "../state/leader-state.ts";
import { type BeatCounts, type BeatDeps, foldBeats } from "./fold.ts";

type HearDeps = {
  readonly deps: {
    readonly inbox: Inbox;
    readonly recorder: Recorder;
    readonly log: Log;
    readonly quarantine: QuarantineQueue;
    readonly settings: FleetSettings;
    readonly clock: Clock;
  };
  readonly leaderState: LeaderState;
  readonly ages: Ages;
  readonly counts: BeatCounts;
  readonly epoch: number;
};

export function heartbeatHandler({
  deps,
  leaderState,
  ages,
  counts,
  epoch,
}: HearDeps): (batch: ReadBatch) => void {
  const { inbox, recorder, log } = deps;
  const mayAnswer = openAnswers(deps.clock.nowMs);
  const beats: BeatDeps = {
    fleet: leaderState.fleet,
    ages,
    expiry: leaderState.expiry,
    settings: deps.settings,
    counts,
    isOwn: (tick) => tick.epoch === epoch,
    beat: recorder.beat,
    changed: (cluster) => {
      touch(leaderState, cluster);
      inbox.wake();
    },
    asked: (clientId) => {
      if (!mayAnswer(clientId)) return;
      leaderState.unsaved.add(clientId);
      inbox.wake();
    },
    conflictChanged: (cluster) => {
      leaderState.unsaved.add(cluster.clientId);
      reportConflict(log, cluster);
      inbox.wake();
    },
    unregistered: (clientId) => {
      for (const since of [leaderState.orphanSince, leaderState.withdrawnHeardMs]) {
        if (since.has(clientId)) since.set(clientId, ages.observedMs(ages.joint));
      }
    },
    refused: (refused) => {
      countRefused(recorder, log, "heartbeat", [refused]);
      deps.quarantine.put(refused);
    },
    clock: deps.clock,
  };
  return (batch) => {
    const advanced = foldBeats(beats, batch);
    if (advanced.size === 0) return;
    inbox.ticked();
    const crossed = leaderState.expiry.take([...advanced]);
    if (crossed.length > 0) inbox.crossed(crossed);
    else if (leaderState.held.size > 0) inbox.wake();
  };
}

/**
 * Each cluster is answered at most once in this time, so that a sender that always asks does not cost one
 * record per beat.
 */
const ANSWER_EVERY_MS = 10_000;

function openAnswers(nowMs: () => number): (clientId: ClientId) => boolean {
  const answered = new Set<ClientId>();
  let sinceMs = nowMs();
  return (clientId) => {
    const atMs = nowMs();
    // A wall clock that was set back must not stop the answers.
    if (atMs < sinceMs || atMs - sinceMs > ANSWER_EVERY_MS) {
      answered.clear();
      sinceMs = atMs;
    }
    if (answered.has(clientId)) return false;
    answered.add(clientId);
    return true;
  };
}

/** Logs once when it begins and once when it ends. */
function reportConflict(log: Log, { clientId, facts }: Cluster): void {
  const conflict = facts?.conflict;
  if (conflict === undefined) {
    log.info("only one agent beats under this client id again", { client_id: clientId });
    return;
  }
  log.error(
    "two agents beat in turn under one client id (a cloned host, a cluster restored beside the " +
      "first?): stop one of them, or give it a CLIENT_ID of its own; a tombstone is refused meanwhile",
    { client_id: clientId, instances: conflict.instances },
  );
}

export function countRefused(
  recorder: Recorder,
  log: Log,
  topic: "registry" | "heartbeat",
  refused: readonly Refused[],
): void {
  for (const { partition, offset, error } of refused) {
    recorder.refused(topic, error.code);
    const fields = { topic, partition, offset, reason: error.code, detail: error.detail };
    if (topic === "registry") log.warn("quarantined a registry record", fields);
    else log.debug("quarantined a heartbeat", fields);
  }
}
