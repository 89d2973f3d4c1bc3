/**
 * How workers authenticate to Kafka, besides WORKER_ENV_FILE: with the control plane's own SASL and TLS
 * (WORKER_INHERIT_KAFKA_AUTH), and with the TLS files of WORKER_TLS_*. Our paths do not exist in a
 * container or a pod, so there the files' contents are copied, and the runtime sets their paths.
 */
import type { Secret } from "../../../shared/config/secret.ts";
import type { Log } from "../../../shared/log.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { ControlPlaneConfig } from "../config.ts";
import type { RuntimeName } from "../runtime/runtime.ts";
import type { WorkerFiles } from "./spec.ts";

const AUTH_NAMES = /^(?:SASL_|TLS_)[A-Z_]+$/u;
const AUTH_FILES = /^(?:SASL_|TLS_)[A-Z_]+_FILE$/u;
const PASSWORD_NAMES: readonly string[] = ["SASL_PASSWORD", "SASL_PASSWORD_FILE"];

type Variables = Readonly<Record<string, string>>;

export type WorkerAuth = {
  readonly environment: Variables;
  readonly password: Secret | undefined;
  readonly files: WorkerFiles | undefined;
};

export type AuthSources = {
  readonly runtime: RuntimeName;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => Result<string, string>;
  readonly log: Log;
};

/** The error is one of configuration. */
export function workerAuth(
  config: ControlPlaneConfig,
  sources: AuthSources,
): Result<WorkerAuth, string> {
  const own = ownFiles(config);
  const shown = inheritedVariables(config, sources);
  const asTls: Variables = own.size === 0 ? {} : { TLS_ENABLED: "true" };
  const password = config.workerInheritKafkaAuth ? config.saslPassword : undefined;
  if (sources.runtime === "process") {
    const paths = [...own].map(([name, { path }]) => [`${name}_FILE`, path]);
    const environment = { ...shown, ...Object.fromEntries(paths), ...asTls };
    return ok({ environment, password, files: undefined });
  }
  const taken = Object.entries(shown).filter(([name]) => AUTH_FILES.test(name));
  const plain = Object.fromEntries(
    Object.entries(shown).filter(([name]) => !AUTH_FILES.test(name)),
  );
  const files = openFiles(config, sources, own, taken);
  if (!files.ok) return files;
  // TLS may have been enabled only by one of these files.
  const enabled: Variables = taken.length > 0 ? { TLS_ENABLED: String(config.tlsEnabled) } : {};
  return ok({ environment: { ...plain, ...enabled, ...asTls }, password, files: files.value });
}

/** By the variable that will have its path, without `_FILE`. */
type OwnFiles = ReadonlyMap<string, { readonly path: string; readonly content: Secret }>;

function ownFiles(config: ControlPlaneConfig): OwnFiles {
  const { workerTlsCaFile, workerTlsCertFile, workerTlsKeyFile } = config;
  const given = { TLS_CA: workerTlsCaFile, TLS_CERT: workerTlsCertFile, TLS_KEY: workerTlsKeyFile };
  return new Map(
    Object.entries(given).flatMap(([name, file]) => (file === undefined ? [] : [[name, file]])),
  );
}

function inheritedVariables(config: ControlPlaneConfig, sources: AuthSources): Variables {
  if (!config.workerInheritKafkaAuth) return {};
  const { runtime, environment, log } = sources;
  if (runtime === "kubernetes" && config.workerSecret !== undefined && config.saslPassword) {
    log.warn(
      "WORKER_INHERIT_KAFKA_AUTH: with WORKER_SECRET no other secret is given to workers; put SASL_PASSWORD into it",
      { secret: config.workerSecret },
    );
  }
  const set = Object.entries(environment).flatMap(([name, value = ""]) =>
    AUTH_NAMES.test(name) && value !== "" && !PASSWORD_NAMES.includes(name)
      ? [[name, value] as const]
      : [],
  );
  return Object.fromEntries(set.sort());
}

const WITH_SECRET =
  "with WORKER_SECRET no Secret is made for a worker: mount one that has the files by WORKER_POD_TEMPLATE, and name them there";

function openFiles(
  config: ControlPlaneConfig,
  { runtime, readFile, log }: AuthSources,
  own: OwnFiles,
  inherited: readonly (readonly [string, string])[],
): Result<WorkerFiles | undefined, string> {
  if (runtime === "kubernetes" && config.workerSecret !== undefined) {
    const names = [...own.keys()].map((name) => `WORKER_${name}_FILE`);
    if (names.length > 0) return err(`${names.join(", ")}: ${WITH_SECRET}`);
    const variables = inherited.map(([name]) => name);
    if (variables.length > 0) log.warn(`WORKER_INHERIT_KAFKA_AUTH: ${WITH_SECRET}`, { variables });
    return ok(undefined);
  }
  const contents = new Map<string, () => string | undefined>();
  for (const [variable, path] of inherited) {
    contents.set(variable.replace(/_FILE$/u, ""), lastContent(path, readFile, log));
  }
  for (const [name, { content }] of own) contents.set(name, () => content.read());
  if (contents.size === 0) return ok(undefined);
  // 0.1 did not hash inherited variables: hashing them would replace every worker at the upgrade.
  return ok({ hashed: [...own.keys()].sort(), read: () => texts(contents) });
}

const texts = (contents: ReadonlyMap<string, () => string | undefined>): Variables =>
  Object.fromEntries(
    [...contents].flatMap(([name, read]) => {
      const text = read();
      return text === undefined ? [] : [[name, text.endsWith("\n") ? text : `${text}\n`]];
    }),
  );

/** Its present content, or its last one if it has become unreadable; undefined if it could never be read. */
function lastContent(
  path: string,
  readFile: AuthSources["readFile"],
  log: Log,
): () => string | undefined {
  let last: string | undefined;
  return () => {
    const text = readFile(path);
    if (text.ok) last = text.value;
    else
      log.error("WORKER_INHERIT_KAFKA_AUTH: a TLS file cannot be passed on", { error: text.error });
    return last;
  };
}
