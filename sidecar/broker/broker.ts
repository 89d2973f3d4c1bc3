/**
 * Puts `sidecar broker` together: HTTP at once, then rounds until the signal. A wrong configuration is
 * reported as not ready; the process does not end, since its crash would look like Kafka's.
 *
 * Order of the end: drains and the current round are cut short, then the connections to Kafka close, then HTTP.
 */

import type { BuildInfo } from "../../shared/build-info.ts";
import { sleep } from "../../shared/clock.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import { serve } from "../../shared/http.ts";
import type { Log } from "../../shared/log.ts";
import { openProcessMetrics } from "../../shared/process-metrics.ts";
import type { Result } from "../../shared/result.ts";
import type { EvaluatedRound } from "./check/evaluate.ts";
import type { BrokerConfig } from "./config.ts";
import { openMemoryReader } from "./memory/cgroup.ts";
import { openMemoryGauges } from "./memory/metrics.ts";
import { type BrokerMetrics, openBrokerMetrics } from "./metrics.ts";
import { type Monitor, type MonitorOptions, openMonitor } from "./monitor.ts";
import { outcomeOf, probeStatus, type Readings, STALE_ROUNDS } from "./probe/status.ts";
import { untilAborted } from "./read/round-clock.ts";
import { brokerRoutes } from "./routes.ts";

const HTTP_GRACE_MS = 1000;
/** How often names are resolved, independently of the rounds. */
const NAMES_MS = 60_000;

export type Misconfigured = {
  /** -1: not known. */
  readonly brokerId: number;
  /** What is wrong, with the original's text if it has one. */
  readonly detail: string;
};

export type BrokerOptions = Omit<MonitorOptions, "config" | "clientId" | "onRound"> & {
  readonly config: Result<BrokerConfig, Misconfigured>;
  readonly port: number;
  readonly build: BuildInfo;
  readonly signal: AbortSignal;
};

export async function runBroker(options: BrokerOptions): Promise<ExitCode> {
  const { config, log, signal } = options;
  const shell = config.ok ? watching(options, config.value) : idle(options, config.error);
  const server = serve({
    port: options.port,
    build: options.build,
    log,
    about: shell.about,
    routes: shell.routes,
  });
  if (!server.ok) {
    log.error(server.error.detail, { variable: "PORT" });
    shell.close();
    return EXIT.configuration;
  }
  log.info("listening", { url: server.value.url });
  await shell.run(signal);
  shell.close();
  await server.value.close(HTTP_GRACE_MS);
  return EXIT.done;
}

type Shell = {
  readonly routes: ReturnType<typeof brokerRoutes>;
  readonly about: () => Readonly<Record<string, unknown>>;
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly close: () => void;
};

function watching(options: BrokerOptions, config: BrokerConfig): Shell {
  const { log, signal, clock } = options;
  const metrics = openProcessMetrics();
  const tell = openTeller(log);
  let gauges: BrokerMetrics | undefined;
  const onRound = (round: EvaluatedRound) => {
    gauges?.round(round);
    tell(probe.readings);
  };
  const probe = openMonitor({ ...options, config, clientId: "outrider-broker", onRound });
  const { readings } = probe;
  gauges = openBrokerMetrics(metrics, readings);
  const memory = openMemoryReader({
    files: options.files,
    setting: config.kafkaCgroup,
    kafka: probe.finder.look,
    ownPid: options.ownPid,
  });
  const memoryGauges = openMemoryGauges({ metrics, memory, log, clock });
  const { topology } = config;
  return {
    routes: brokerRoutes({
      ...{ readings, metrics, probed: gauges.probed },
      ...{ sleep, stopping: signal, log },
    }),
    about: () => ({
      brokerId: topology.brokerId,
      replicas: topology.how,
      unresolved: probe.cluster.unresolved(),
      memory: memoryGauges.story(),
    }),
    run: async () => {
      const { brokerId, how, others } = topology;
      log.info("watching a broker", { broker_id: brokerId, replicas: how, others });
      memoryGauges.refresh();
      await Promise.all([probe.rounds.run(signal), checkNames(probe, signal)]);
    },
    close: probe.close,
  };
}

async function checkNames({ cluster }: Monitor, signal: AbortSignal): Promise<void> {
  const stopped = untilAborted(signal);
  while (cluster.some && !signal.aborted) {
    await Promise.race([cluster.checkNames(), stopped]);
    await sleep(NAMES_MS, signal);
  }
}

/** No round is ever made: all gates but liveness stay closed, with the mistake as the reason. */
function idle({ log, signal, clock }: BrokerOptions, wrong: Misconfigured): Shell {
  const metrics = openProcessMetrics();
  const readings: Readings = {
    brokerId: wrong.brokerId,
    latest: () => undefined,
    misconfigured: wrong.detail,
    staleAfterMs: STALE_ROUNDS,
    gates: { liveness: "local", futureReplicas: "warn" },
    clock,
  };
  const gauges = openBrokerMetrics(metrics, readings);
  return {
    routes: brokerRoutes({
      ...{ readings, metrics, probed: gauges.probed },
      ...{ sleep, stopping: signal, log },
    }),
    about: () => ({ brokerId: wrong.brokerId, error: wrong.detail }),
    run: async () => {
      log.error("the configuration is wrong: reported as not ready", { detail: wrong.detail });
      await sleep(Number.POSITIVE_INFINITY, signal);
    },
    close: () => {},
  };
}

/** Logs a line when a gate opens or closes, or its reason changes; not one per round. */
function openTeller(log: Log): (readings: Readings) => void {
  const told = new Map<string, string>();
  return (readings) => {
    const now = probeStatus(readings);
    for (const gate of ["live", "ready"] as const) {
      const { healthy, error = "" } = outcomeOf(gate, now, readings);
      const state = healthy ? "healthy" : error.replaceAll(/\d+/gu, "#");
      if (told.get(gate) === state) continue;
      told.set(gate, state);
      if (healthy) log.info(`${gate}: healthy`);
      else log.warn(`${gate}: unhealthy`, { error });
    }
  };
}
