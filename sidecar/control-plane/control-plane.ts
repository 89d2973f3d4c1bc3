/**
 * Puts the control plane together: HTTP at once, then one session after the other with Kafka; it waits for
 * Kafka as long as it takes. Runs until the signal; the order of shutdown is at the end.
 */

import type { BuildInfo } from "../../shared/build-info.ts";
import type { Clock } from "../../shared/clock.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import { serve } from "../../shared/http.ts";
import type { KafkaSettings } from "../../shared/kafka/settings.ts";
import type { Log } from "../../shared/log.ts";
import { openProcessMetrics } from "../../shared/process-metrics.ts";
import type { ClientId } from "../../shared/protocol/client-id.ts";
import { lagOf } from "./api/lag.ts";
import { judgeTroubles } from "./follow/readiness.ts";
import { openSession, type Session } from "./leader/session.ts";
import type { TermSettings } from "./leader/term.ts";
import { openControlPlaneMetrics, openRecorder } from "./metrics.ts";
import { describeHold } from "./plan/hold.ts";
import { createQuarantineQueue } from "./record/quarantine.ts";
import { controlPlaneRoutes, type Health } from "./routes.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { WorkerSettings } from "./worker/spec.ts";

const HTTP_GRACE_MS = 1_000;

export type ControlPlaneOptions = {
  readonly kafka: KafkaSettings;
  readonly port: number;
  readonly settings: TermSettings;
  readonly sessionTimeoutMs: number;
  readonly topicPartitions: number;
  /** Default: Kafka's cluster id. */
  readonly fleet: string | undefined;
  readonly instance: string;
  readonly runtime: Runtime;
  readonly workerOf: (fleet: string) => WorkerSettings;
  readonly build: BuildInfo;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

export async function runControlPlane(options: ControlPlaneOptions): Promise<ExitCode> {
  const { log, clock } = options;
  const metrics = openProcessMetrics();
  const quarantine = createQuarantineQueue();
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  const deps = {
    ...options,
    recorder: openRecorder(metrics),
    quarantine,
    signal,
    history: { hasStood: false },
  };
  let session = openSession(deps);
  const startedMs = clock.monotonicMs();
  const term = () => session.lead()?.term();
  const clusters = () =>
    (term()?.leaderState.fleet ?? session.standby()?.fleet())?.clusters ?? new Map();
  const health = () => healthOf(session, clock.monotonicMs());
  openControlPlaneMetrics(metrics, {
    term,
    clusters: () => clusters().values(),
    clock,
    quarantineDropped: quarantine.dropped,
    ready: () => health().ready,
    leaderTick: () => session.standby()?.leaderTick(),
    startedMs,
    ownIntervalMs: options.settings.watermarkIntervalMs,
  });
  const lag = (clientId: ClientId) => lagOf(session.client, clientId);
  const readings = { metrics, health, term, clusters, lagOf: lag };
  const isKnown = () => session.standby()?.ready() === true;
  const server = serve({
    ...{ port: options.port, build: options.build, log },
    routes: controlPlaneRoutes({ ...readings, isKnown }),
  });
  if (!server.ok) {
    log.error(server.error.detail, { variable: "METRICS_PORT" });
    stopping.abort();
    await session.ended;
    return EXIT.configuration;
  }
  log.info("listening", { url: server.value.url });
  let ended = await session.ended;
  while (ended.ok && !signal.aborted) {
    session = openSession(deps);
    ended = await session.ended;
  }
  if (!ended.ok) log.error(ended.error);
  await server.value.close(HTTP_GRACE_MS);
  return ended.ok || signal.aborted ? EXIT.done : EXIT.configuration;
}

function healthOf(session: Session, nowMs: number): Health {
  const standby = session.standby();
  const term = session.lead()?.term();
  const epoch = term?.epoch ?? null;
  const { ready, detail } = judgeTroubles(session.troubles(), nowMs);
  if (standby?.ready() !== true) {
    // It may be ready while Kafka does not answer yet, but not while it reads the ledger.
    return {
      ready: ready && standby === undefined,
      role: "starting",
      epoch,
      detail: detail ?? READING,
    };
  }
  const role = term === undefined ? "standby" : "leader";
  const hold = term && describeHold(term.leaderState, term.conditions());
  return {
    ready,
    role,
    epoch,
    detail: detail ?? hold ?? session.waiting() ?? "following the ledger",
  };
}

const READING = "waiting for the ledger";
