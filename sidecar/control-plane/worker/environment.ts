/** From the configuration to what a worker is given, and to the runtime that runs it. */
import { BUILD } from "../../../shared/build-info.ts";
import { EXIT, type ExitCode } from "../../../shared/exit.ts";
import type { Log } from "../../../shared/log.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { type ControlPlaneConfig, INGEST_TABLE } from "../config.ts";
import { DEFAULT_SOCKET, engineAddress } from "../runtime/docker/address.ts";
import { type ContainerSettings, dockerProgram } from "../runtime/docker/container.ts";
import { programOf } from "../runtime/kubernetes/manifest.ts";
import { processRuntime } from "../runtime/process/runtime.ts";
import type { Runtime, RuntimeName } from "../runtime/runtime.ts";
import type { WorkerSettings } from "./spec.ts";

export type Surroundings = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  /** This binary: its `ingest` is the worker unless WORKER_COMMAND says otherwise. */
  readonly executable: string;
  readonly exists: (path: string) => boolean;
  readonly readFile: (path: string) => Result<string, string>;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly log: Log;
  /** Ends what a runtime keeps open. */
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

/** Why there is no runtime, and what the program ends with. */
type NotOpened = { readonly exit: ExitCode; readonly detail: string };

const misconfigured = (detail: string): Result<never, NotOpened> =>
  err({ exit: EXIT.configuration, detail });

export type OpenOptions = {
  /** May containers that the original made be taken over? */
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
    nowMs: around.nowMs,
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
  const { log, random, signal } = around;
  const settings = dockerSettings(config);
  return await dockerRuntime({ address: address.value, settings, takeOver, log, random, signal });
}

async function openKubernetes(
  config: ControlPlaneConfig,
  around: Surroundings,
): Promise<Result<Runtime, NotOpened>> {
  const { openKubernetesRuntime } = await import("../runtime/kubernetes/open.ts");
  const { log, random, signal } = around;
  const { kubeconfig, workerNamespace: namespace } = config;
  const settings = kubernetesSettings(config);
  const { version } = BUILD;
  return await openKubernetesRuntime({
    ...settings,
    ...{ kubeconfig, namespace, version, log, random, signal },
  });
}

const dockerSettings = (config: ControlPlaneConfig): ContainerSettings => ({
  image: config.graphBuilderImage,
  network: config.dockerNetwork,
  memoryBytes: config.memoryLimitBytes,
  cpuMillis: config.cpuLimitMillis,
  secrets: config.workerSecrets,
  isPublic: (name) => PUBLIC_NAMES.has(name),
});

/** What `ingest` reads from its environment alone; from a file it reads secrets only. */
const PUBLIC_NAMES: ReadonlySet<string> = new Set(
  Object.values(INGEST_TABLE).flatMap(({ about }) => (about.secret ? [] : [about.name])),
);

const kubernetesSettings = (config: ControlPlaneConfig) => ({
  image: config.graphBuilderImage,
  memoryBytes: config.memoryLimitBytes,
  cpuMillis: config.cpuLimitMillis,
  serviceAccount: config.workerServiceAccount,
  secretName: config.workerSecret,
});

/** What of the configuration changes a worker, besides its variables. */
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
 * Names as the original gave them to its own; Kafka credentials only when they are to be inherited.
 * An error is one of configuration.
 */
export function openWorkers(
  config: ControlPlaneConfig,
  around: Surroundings,
): Result<(fleet: string) => WorkerSettings, string> {
  const envFile = openEnvFile(config.workerEnvFile, around);
  if (!envFile.ok) return envFile;
  const program = programFor(config, around);
  const inherited = inheritedAuth(config, around);
  return ok((fleet) => ({
    fleet,
    program,
    environment: {
      KAFKA_BROKERS: config.kafkaBrokers.join(","),
      NEO4J_URI: config.neo4jUri,
      NEO4J_USER: config.neo4jUser,
      LOG_LEVEL: config.logLevel,
      ...inherited.environment,
    },
    secretEnvironment: () => ({
      NEO4J_PASS: config.neo4jPass.read(),
      ...(inherited.password === undefined ? {} : { SASL_PASSWORD: inherited.password.read() }),
      ...envFile.value(),
    }),
  }));
}

const AUTH_NAMES = /^(?:SASL_|TLS_)[A-Z_]+$/u;
const AUTH_FILES = /^(?:SASL_|TLS_)[A-Z_]+_FILE$/u;
const PASSWORD_NAMES: readonly string[] = ["SASL_PASSWORD", "SASL_PASSWORD_FILE"];

type Inherited = {
  readonly environment: Readonly<Record<string, string>>;
  readonly password: ControlPlaneConfig["saslPassword"];
};

/** A path of ours is nothing in a container: there the password goes by itself, and TLS files do not go. */
function inheritedAuth(config: ControlPlaneConfig, around: Surroundings): Inherited {
  if (!config.workerInheritKafkaAuth) return { environment: {}, password: undefined };
  const { runtime } = chooseRuntime(config, around);
  const set = Object.entries(around.environment).flatMap(([name, value = ""]) =>
    AUTH_NAMES.test(name) && value !== "" ? [[name, value] as const] : [],
  );
  const shown = set.filter(([name]) => !PASSWORD_NAMES.includes(name)).sort();
  const left = runtime === "process" ? [] : shown.filter(([name]) => AUTH_FILES.test(name));
  if (left.length > 0) {
    around.log.warn(
      `WORKER_INHERIT_KAFKA_AUTH: files are not passed on to workers of RUNTIME ${runtime}; put them into GRAPH_BUILDER_IMAGE and name them there, or in WORKER_ENV_FILE`,
      { variables: left.map(([name]) => name) },
    );
  }
  if (runtime === "kubernetes" && config.workerSecret !== undefined && config.saslPassword) {
    around.log.warn(
      "WORKER_INHERIT_KAFKA_AUTH: with WORKER_SECRET no other secret is given to workers; put SASL_PASSWORD into it",
      { secret: config.workerSecret },
    );
  }
  return {
    environment: {
      ...Object.fromEntries(shown.filter((each) => !left.includes(each))),
      // One of the files that are left out may have been all that said so.
      ...(left.length > 0 ? { TLS_ENABLED: String(config.tlsEnabled) } : {}),
    },
    password: config.saslPassword,
  };
}

/**
 * NAME=value lines, `#` comments and blank lines; read again for each start. One that has become
 * unreadable keeps its last content: workers without credentials would be no workers.
 */
function openEnvFile(
  path: string | undefined,
  around: Surroundings,
): Result<() => Record<string, string>, string> {
  if (path === undefined) return ok(() => ({}));
  const first = around.readFile(path);
  if (!first.ok) return err(`WORKER_ENV_FILE: ${first.error}`);
  let last = first.value;
  return ok(() => {
    const text = around.readFile(path);
    if (text.ok) last = text.value;
    else around.log.error("WORKER_ENV_FILE: its last content is used", { error: text.error });
    return parseEnvFile(last);
  });
}

function parseEnvFile(text: string): Record<string, string> {
  const entries = text.split(/\r?\n/u).flatMap((line): [string, string][] => {
    const match = /^\s*(?:export\s+)?(?<name>[A-Za-z_]\w*)\s*=(?<value>.*)$/u.exec(line);
    const { name, value } = match?.groups ?? {};
    return name === undefined || value === undefined ? [] : [[name, unquote(value.trim())]];
  });
  return Object.fromEntries(entries);
}

const unquote = (value: string): string =>
  /^(["']).*\1$/u.test(value) ? value.slice(1, -1) : value;
