/** From an environment to a running control plane, or to `--plan`: configuration, runtime and workers first. */
import { existsSync } from "node:fs";
import { openCommandLog } from "../../shared/cli/log.ts";
import { configured, type Shell } from "../../shared/cli/shell.ts";
import { kafkaSettings } from "../../shared/config/kafka.ts";
import { EXIT, type ExitCode } from "../../shared/exit.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { kafkaLog } from "../../shared/kafka/log.ts";
import type { Log } from "../../shared/log.ts";
import { type ControlPlaneConfig, readControlPlaneConfig } from "./config.ts";
import { runControlPlane } from "./control-plane.ts";
import { identityOf } from "./leader/identity.ts";
import type { TermSettings } from "./leader/term.ts";
import { dryRun } from "./operator/dry-run.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { openRuntime, openWorkers, type Surroundings } from "./worker/environment.ts";
import type { WorkerSettings } from "./worker/spec.ts";

const METADATA_MS = 10_000;

export type ControlPlaneRun = {
  readonly command: "control-plane";
  /** Print what would be done, and exit. */
  readonly plan: boolean;
  /** Docker only: replace containers that the original made. */
  readonly takeOver: boolean;
};

export const startControlPlane = (run: ControlPlaneRun, shell: Shell): Promise<ExitCode> =>
  configured(shell, readControlPlaneConfig(shell.environment, shell.host), (config) =>
    begin(run, config, shell),
  );

async function begin(
  { plan, takeOver }: ControlPlaneRun,
  config: ControlPlaneConfig,
  shell: Shell,
): Promise<ExitCode> {
  const log = openCommandLog(shell, config, "stderr").with({ program: "control-plane" });
  const around: Surroundings = {
    ...shell,
    exists: existsSync,
    readFile: shell.host.readFile,
    log,
  };
  const workers = openWorkers(config, around);
  if (!workers.ok) {
    shell.complain(workers.error);
    return EXIT.configuration;
  }
  const runtime = await openRuntime(config, around, { takeOver });
  if (!runtime.ok) {
    shell.complain(runtime.error.detail);
    return runtime.error.exit;
  }
  const parts = { config, log, runtime: runtime.value, workerOf: workers.value };
  return await (plan ? showPlan(parts, shell) : run(parts, shell));
}

type Parts = {
  readonly config: ControlPlaneConfig;
  readonly log: Log;
  readonly runtime: Runtime;
  readonly workerOf: (fleet: string) => WorkerSettings;
};

const termSettings = (config: ControlPlaneConfig): TermSettings => ({
  heartbeatTimeoutMs: config.heartbeatTimeoutMs,
  cleanupTimeoutMs: config.cleanupTimeoutMs,
  watermarkIntervalMs: config.watermarkIntervalMs,
  reconcileIntervalMs: config.reconcileIntervalMs,
  actWindowMs: config.actWindowMs,
  brakePercent: config.cleanupBrakePercent,
  fleetAliases: config.fleetAliases ?? [],
  workerMinReadyMs: config.workerMinReadyMs,
});

const run = ({ config, log, runtime, workerOf }: Parts, shell: Shell): Promise<ExitCode> =>
  runControlPlane({
    kafka: kafkaSettings(config, "outrider-control-plane"),
    port: config.metricsPort,
    settings: termSettings(config),
    sessionTimeoutMs: config.sessionTimeoutMs,
    topicPartitions: config.topicPartitions,
    fleet: config.fleet,
    // The instance's leader record shows where it ran.
    instance: `${shell.hostname}/${shell.pid}`,
    runtime,
    workerOf,
    build: shell.build,
    log,
    clock: shell.clock,
    signal: shell.signal,
  });

async function showPlan(
  { config, log, runtime, workerOf }: Parts,
  shell: Shell,
): Promise<ExitCode> {
  const client = openKafkaClient(kafkaSettings(config, "outrider-plan"), { log: kafkaLog(log) });
  const metadata = await client.metadata([], { deadlineMs: METADATA_MS });
  if (!metadata.ok) {
    shell.complain(metadata.error.detail);
    return EXIT.unavailable;
  }
  const identity = identityOf(config.fleet, config.fleetAliases, metadata.value.clusterId);
  const code = await dryRun({
    client,
    log: kafkaLog(log),
    say: shell.say,
    runtime,
    worker: workerOf(identity.name),
    identity,
    settings: termSettings(config),
    clock: shell.clock,
    signal: shell.signal,
  });
  await client.close();
  return code;
}
