/** From the configuration to what a worker is given, and to the runtime that runs it. */

import { BUILD } from "../../../shared/build-info.ts";
import type { Clock } from "../../../shared/clock.ts";
import { WORKER_TABLE } from "../../../shared/config/worker.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import type { Log } from "../../../shared/log.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { ControlPlaneConfig } from "../config.ts";
import { DEFAULT_SOCKET, engineAddress } from "../runtime/docker/address.ts";
import { type ContainerSettings, dockerProgram } from "../runtime/docker/container.ts";
import { programOf } from "../runtime/kubernetes/manifest.ts";
import { processRuntime } from "../runtime/process/runtime.ts";
import type { Runtime, RuntimeName } from "../runtime/runtime.ts";
import { openEnvFile } from "./env-file.ts";
import { workerAuth } from "./kafka-auth.ts";
import type { WorkerSettings } from "./spec.ts";

export type Surroundings = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  /** The path of this binary: its `ingest` is the worker, unless WORKER_COMMAND is set. */
  readonly executable: string;
  readonly exists: (path: string) => boolean;
  readonly readFile: (path: string) => Result<string, string>;
  readonly clock: Clock;
  readonly log: Log;
  /** Closes what a runtime keeps open. */
  readonly signal: AbortSignal;
};

type Choice = { readonly runtime: RuntimeName; readonly because: string };

function chooseRuntime(
  config: ControlPlaneConfig,
  { exists, environment }: Pick<Surroundings, "exists" | "environment">,
): Choice {
  if (config.runtime !== undefined) return { runtime: config.runtime, because: "RUNTIME says so" };
  if (config.kubernetesMode) return { runtime: "kubernetes", because: "K8S_MODE is true" };
  const host = environment["DOCKER_HOST"] ?? "";
  if (host !== "") return { runtime: "docker", because: `DOCKER_HOST is ${host}` };
  if (exists(DEFAULT_SOCKET)) return { runtime: "docker", because: `there is ${DEFAULT_SOCKET}` };
  return { runtime: "process", because: `no K8S_MODE, no DOCKER_HOST, no ${DEFAULT_SOCKET}` };
}

/** Why there is no runtime, and the exit code. */
type NotOpened = { readonly exit: ExitCode; readonly detail: string };

const misconfigured = (detail: string): Result<never, NotOpened> =>
  err({ exit: EXIT.configuration, detail });

export type OpenOptions = {
  /** Whether containers that the original made may be taken over. */
  readonly takeOver: boolean;
};

export async function openRuntime(
  config: ControlPlaneConfig,
  around: Surroundings,
  { takeOver }: OpenOptions,
): Promise<Result<Runtime, NotOpened>> {
  const { runtime, because } = chooseRuntime(config, around);
  around.log.info("runtime", { runtime, because });
  if (takeOver && runtime !== "docker") {
    return misconfigured(
      `--take-over: it is for containers, but RUNTIME is ${runtime}: ${because}`,
    );
  }
  switch (runtime) {
    case "docker":
      return await openDocker(config, around, takeOver);
    case "kubernetes":
      return await openKubernetes(config, around);
    case "process": {
      const opened = openProcess(config, around);
      return opened.ok
        ? opened
        : misconfigured(`STATE_DIR, WORKER_COMMAND: ${opened.error.detail}`);
    }
  }
}

const openProcess = (config: ControlPlaneConfig, around: Surroundings) =>
  processRuntime({
    stateDir: config.stateDir,
    command: workerCommand(config, around.executable),
    hostname: around.hostname,
    environment: around.environment,
    log: around.log,
    clock: around.clock,
    pid1Allowed: config.processAsPid1,
  });

async function openDocker(
  config: ControlPlaneConfig,
  around: Surroundings,
  takeOver: boolean,
): Promise<Result<Runtime, NotOpened>> {
  const address = engineAddress(around);
  if (!address.ok) return misconfigured(address.error);
  const { dockerRuntime } = await import("../runtime/docker/runtime.ts");
  const { log, clock, signal } = around;
  const settings = dockerSettings(config);
  return await dockerRuntime({ address: address.value, settings, takeOver, log, clock, signal });
}

async function openKubernetes(
  config: ControlPlaneConfig,
  around: Surroundings,
): Promise<Result<Runtime, NotOpened>> {
  const { openKubernetesRuntime } = await import("../runtime/kubernetes/open.ts");
  const { log, clock, signal } = around;
  const { kubeconfig, workerNamespace: namespace } = config;
  const settings = kubernetesSettings(config);
  const { version } = BUILD;
  return await openKubernetesRuntime({
    ...settings,
    ...{ kubeconfig, namespace, version, log, clock, signal },
  });
}

const dockerSettings = (config: ControlPlaneConfig): ContainerSettings => ({
  image: config.graphBuilderImage,
  network: config.dockerNetwork,
  memoryBytes: config.memoryLimitBytes,
  cpuMillis: config.cpuLimitMillis,
  secrets: config.workerSecrets,
  isPublic: (name) => PUBLIC_NAMES.has(name),
  labels: config.workerLabels ?? {},
  mounts: config.workerVolumes ?? [],
});

/** Variables that `ingest` reads only from its environment; from files it reads only secrets. */
const PUBLIC_NAMES: ReadonlySet<string> = new Set(
  Object.values(WORKER_TABLE).flatMap(({ about }) => (about.secret ? [] : [about.name])),
);

const kubernetesSettings = (config: ControlPlaneConfig) => ({
  image: config.graphBuilderImage,
  memoryBytes: config.memoryLimitBytes,
  cpuMillis: config.cpuLimitMillis,
  serviceAccount: config.workerServiceAccount,
  secretName: config.workerSecret,
  podTemplate: config.workerPodTemplate,
});

/** The part of the configuration, besides the variables, of which a change replaces workers. */
function programFor(config: ControlPlaneConfig, around: Surroundings): readonly string[] {
  switch (chooseRuntime(config, around).runtime) {
    case "docker":
      return dockerProgram(dockerSettings(config));
    case "kubernetes":
      return programOf(kubernetesSettings(config));
    case "process":
      return workerCommand(config, around.executable);
  }
}

const workerCommand = (config: ControlPlaneConfig, executable: string): readonly string[] =>
  config.workerCommand ?? [executable, "ingest"];

/**
 * The variables of every worker, under the original's names; with Kafka credentials only if they are
 * inherited. An error is one of configuration.
 */
export function openWorkers(
  config: ControlPlaneConfig,
  around: Surroundings,
): Result<(fleet: string) => WorkerSettings, string> {
  const envFile = openEnvFile(config.workerEnvFile, around);
  if (!envFile.ok) return envFile;
  const { runtime } = chooseRuntime(config, around);
  const auth = workerAuth(config, { ...around, runtime });
  if (!auth.ok) return auth;
  warnOfUnused(config, runtime, around.log);
  const { environment, password, files } = auth.value;
  const program = programFor(config, around);
  return ok((fleet) => ({
    fleet,
    program,
    environment: {
      KAFKA_BROKERS: config.kafkaBrokers.join(","),
      NEO4J_URI: config.neo4jUri,
      NEO4J_USER: config.neo4jUser,
      LOG_LEVEL: config.logLevel,
      ...environment,
    },
    secretEnvironment: () => ({
      NEO4J_PASS: config.neo4jPass.read(),
      ...(password === undefined ? {} : { SASL_PASSWORD: password.read() }),
      ...envFile.value(),
    }),
    files,
  }));
}

/** Warns of variables that only another runtime uses. */
function warnOfUnused(config: ControlPlaneConfig, runtime: RuntimeName, log: Log): void {
  const forDocker = [
    ...(config.workerLabels === undefined ? [] : ["WORKER_LABELS"]),
    ...(config.workerVolumes === undefined ? [] : ["WORKER_VOLUMES"]),
  ];
  const unused = [
    ...(runtime === "docker" ? [] : forDocker),
    ...(runtime === "kubernetes" || config.workerPodTemplate === undefined
      ? []
      : ["WORKER_POD_TEMPLATE"]),
  ];
  if (unused.length === 0) return;
  log.warn(
    "set and not used: WORKER_LABELS and WORKER_VOLUMES are for RUNTIME=docker, WORKER_POD_TEMPLATE is for RUNTIME=kubernetes",
    { runtime, variables: unused },
  );
}
