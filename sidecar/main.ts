/**
 * The sidecar: the one place where its parts are constructed and the process is touched. What one command
 * alone needs is imported when it runs: in a broker's pod the control plane would cost 15 MB.
 */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { createInterface } from "node:readline/promises";
import { BUILD, versionLine } from "../shared/build-info.ts";
import { parseArguments } from "../shared/cli/arguments.ts";
import { openHost } from "../shared/config/host.ts";
import { type KafkaConfig, kafkaSettings } from "../shared/config/kafka.ts";
import { secretValues } from "../shared/config/secret.ts";
import { type Problem, problemText } from "../shared/config/table.ts";
import { EXIT, type ExitCode } from "../shared/exit.ts";
import { kafkaLog, openKafkaClient } from "../shared/kafka/cluster/client.ts";
import { type Log, openLog } from "../shared/log.ts";
import type { Result } from "../shared/result.ts";
import { SIDECAR, type SidecarRun } from "./commands.ts";
import {
  type ControlPlaneConfig,
  type IngestConfig,
  readControlPlaneConfig,
  readIngestConfig,
  readOperatorConfig,
} from "./control-plane/config.ts";
import type { TermSettings } from "./control-plane/leader/term.ts";
import type { OperatorDeps } from "./control-plane/operator/commands.ts";
import type { Runtime } from "./control-plane/runtime/runtime.ts";
import type { Surroundings } from "./control-plane/worker/environment.ts";
import type { WorkerSettings } from "./control-plane/worker/spec.ts";

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const complain = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
const monotonicMs = (): number => performance.now();
const nowMs = (): number => Date.now();

/** Half of the grace that Kubernetes gives. */
const STOP_MS_MAX = 15_000;

/** Aborts on SIGTERM and SIGINT. */
const stopping = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop(name));

/** Once: in order, for so long at most. Twice: at once. */
function stop(name: string): void {
  if (stopping.signal.aborted) process.exit(EXIT.unconfirmed);
  stopping.abort(name);
  setTimeout(() => {
    complain(`not stopped in order within ${STOP_MS_MAX / 1000} s: ended`);
    process.exit(EXIT.unconfirmed);
  }, STOP_MS_MAX).unref();
}

const logOf = (config: KafkaConfig): Log =>
  openLog({
    level: config.logLevel,
    format: config.logFormat,
    write: complain,
    nowMs,
    secrets: secretValues(config),
  });

function misconfigured(problems: readonly Problem[]): ExitCode {
  complain(`${problems.length} configuration errors:`);
  for (const problem of problems) complain(`  ${problemText(problem)}`);
  return EXIT.configuration;
}

async function configured<C>(
  config: Result<C, readonly Problem[]>,
  run: (config: C) => Promise<ExitCode>,
): Promise<ExitCode> {
  return config.ok ? await run(config.value) : misconfigured(config.error);
}

const surroundings = (log: Log): Surroundings => ({
  environment: process.env,
  hostname: hostname(),
  executable: process.execPath,
  exists: existsSync,
  readFile: openHost().readFile,
  nowMs,
  random: Math.random,
  log,
  signal: stopping.signal,
});

const termSettings = (config: ControlPlaneConfig): TermSettings => ({
  heartbeatTimeoutMs: config.heartbeatTimeoutMs,
  cleanupTimeoutMs: config.cleanupTimeoutMs,
  watermarkIntervalMs: config.watermarkIntervalMs,
  reconcileIntervalMs: config.reconcileIntervalMs,
  actWindowMs: config.actWindowMs,
  brakePercent: config.cleanupBrakePercent,
});

/** Readers of this instance's leader record see where it ran. */
const instance = `${hostname()}/${process.pid}`;

async function controlPlane(
  config: ControlPlaneConfig,
  { plan, takeOver }: { readonly plan: boolean; readonly takeOver: boolean },
): Promise<ExitCode> {
  const log = logOf(config).with({ program: "control-plane" });
  const around = surroundings(log);
  const { openRuntime, openWorkers } = await import("./control-plane/worker/environment.ts");
  const workers = openWorkers(config, around);
  if (!workers.ok) {
    complain(workers.error);
    return EXIT.configuration;
  }
  const runtime = await openRuntime(config, around, { takeOver });
  if (!runtime.ok) {
    complain(runtime.error.detail);
    return runtime.error.exit;
  }
  if (plan) return await preview(config, log, runtime.value, workers.value);
  const { runControlPlane } = await import("./control-plane/control-plane.ts");
  return await runControlPlane({
    kafka: kafkaSettings(config, "outrider-control-plane"),
    port: config.metricsPort,
    settings: termSettings(config),
    sessionTimeoutMs: config.sessionTimeoutMs,
    topicPartitions: config.topicPartitions,
    fleet: config.fleet,
    instance,
    runtime: runtime.value,
    workerOf: workers.value,
    build: BUILD,
    log,
    random: Math.random,
    monotonicMs,
    nowMs,
    signal: stopping.signal,
  });
}

async function preview(
  config: ControlPlaneConfig,
  log: Log,
  runtime: Runtime,
  workerOf: (fleet: string) => WorkerSettings,
): Promise<ExitCode> {
  const client = openKafkaClient(kafkaSettings(config, "outrider-plan"), { log: kafkaLog(log) });
  const metadata = await client.metadata([], { deadlineMs: 10_000 });
  if (!metadata.ok) {
    complain(metadata.error.detail);
    return EXIT.unavailable;
  }
  const { dryRun } = await import("./control-plane/operator/dry-run.ts");
  const code = await dryRun({
    client,
    log: kafkaLog(log),
    say,
    runtime,
    worker: workerOf(config.fleet ?? metadata.value.clusterId ?? "unknown"),
    settings: termSettings(config),
    monotonicMs,
    nowMs,
    signal: stopping.signal,
  });
  await client.close();
  return code;
}

/** `--yes` answers; without a terminal to ask on, the answer is no. */
async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    complain(`${question} Not asked: there is no terminal; give --yes`);
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed]);
  terminal.close();
  return /^y(?:es)?$/iu.test(answer.trim());
}

type Operation = Extract<SidecarRun, { readonly yes: boolean }>;

function operate(run: Operation): Promise<ExitCode> {
  return configured(readOperatorConfig(process.env, openHost()), async (config) => {
    const log = kafkaLog(logOf(config));
    const client = openKafkaClient(kafkaSettings(config, "outrider-operator"), { log });
    const deps = { client, log, say, confirm: run.yes ? () => Promise.resolve(true) : confirm };
    const interrupted = new Promise<ExitCode>((resolve) => {
      stopping.signal.addEventListener("abort", () => resolve(EXIT.unconfirmed), { once: true });
    });
    const code = await Promise.race([perform(run, deps), interrupted]);
    await client.close();
    return code;
  });
}

async function perform(run: Operation, deps: OperatorDeps): Promise<ExitCode> {
  const { acceptRegistry, releaseBrake, withdraw } = await import(
    "./control-plane/operator/commands.ts"
  );
  switch (run.command) {
    case "withdraw":
      return await withdraw(deps, run.clientId, run.force);
    case "release-brake":
      return await releaseBrake(deps);
    case "accept-registry":
      return await acceptRegistry(deps);
  }
}

const beside = () => ({
  environment: process.env,
  host: openHost(),
  pid: process.pid,
  build: BUILD,
  write: complain,
  say,
  nowMs,
  monotonicMs,
  signal: stopping.signal,
});

async function ingest(config: IngestConfig): Promise<ExitCode> {
  const { runIngest } = await import("./ingest/command.ts");
  const log = logOf(config).with({ program: "ingest", client_id: config.clientId });
  return await runIngest({
    kafka: kafkaSettings(config, `outrider-ingest-${config.clientId}`),
    clientId: config.clientId,
    group: config.kafkaGroup,
    log,
    kafkaLog: kafkaLog(log),
    signal: stopping.signal,
  });
}

async function start(run: SidecarRun): Promise<ExitCode> {
  switch (run.command) {
    case "broker":
    case "check live":
    case "check ready":
    case "drain": {
      const { startBroker } = await import("./broker/command.ts");
      return await startBroker(run, beside());
    }
    case "control-plane":
      return await configured(readControlPlaneConfig(process.env, openHost()), (config) =>
        controlPlane(config, run),
      );
    case "ingest":
      return await configured(readIngestConfig(process.env, openHost()), ingest);
    case "check kafka": {
      const { startCheck } = await import("./check.ts");
      return await startCheck(run, {
        ...{ environment: process.env, host: openHost(), say, complain },
        logOf: (config) => kafkaLog(logOf(config)),
        signal: stopping.signal,
      });
    }
    case "withdraw":
    case "release-brake":
    case "accept-registry":
      return await operate(run);
  }
}

async function main(): Promise<ExitCode> {
  const invocation = parseArguments(SIDECAR, process.argv.slice(2));
  if (!invocation.ok) {
    complain(`sidecar: ${invocation.error}`);
    return EXIT.configuration;
  }
  switch (invocation.value.kind) {
    case "help":
      say(invocation.value.text);
      return EXIT.done;
    case "version":
      say(versionLine("sidecar", BUILD));
      return EXIT.done;
    case "run":
      return await start(invocation.value.run);
  }
}

/** A defect of ours: said, and the process ends, so that whoever watches it starts it again. */
function defect(cause: unknown): never {
  const detail = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  complain(
    JSON.stringify({ time: new Date().toISOString(), level: "error", message: "defect", detail }),
  );
  process.exit(EXIT.defect);
}
process.on("uncaughtException", defect);
process.on("unhandledRejection", defect);

process.exit(await main().catch(defect));
