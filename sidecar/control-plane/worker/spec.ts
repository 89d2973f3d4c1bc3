/**
 * The worker of a cluster, derived: name, environment and spec hash. Nothing that a registration
 * says gets in here but the client id, and that only into names as far as a name may hold it.
 */
import { createHash } from "node:crypto";
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import { WORKER_NAME_PREFIX, type WorkerSpec } from "../runtime/runtime.ts";

/** A DNS label, which container and Job names must be; a longer name is shortened with a hash. */
const NAME_CHARS_MAX = 63;
const NAME_HASH_CHARS = 10;
/** RFC 1123, section 2.1, as Kubernetes has it: what a client id had to be once. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u;
/** Longer than the other: the two forms never make one name. Nobody finds an id with another's hash. */
const ID_HASH_CHARS = 16;
const SPEC_HASH_CHARS = 16;

export type WorkerSettings = {
  readonly fleet: string;
  /** What the runtime runs: argv, or the image and its limits. Part of the hash. */
  readonly program: readonly string[];
  /** Environment of every worker, without `CLIENT_ID` and `KAFKA_GROUP`; shown and hashed. */
  readonly environment: Readonly<Record<string, string>>;
  /** The same, but secret: names are hashed, values are not (no plain hash of a secret). */
  readonly secretEnvironment: () => Readonly<Record<string, string>>;
  /** Undefined where paths of ours are the workers', too. */
  readonly files?: WorkerFiles | undefined;
};

/** Files that the runtime puts where a worker can read them, by name: the variable X_FILE says where X is. */
export type WorkerFiles = {
  /** Names that are part of the hash. */
  readonly hashed: readonly string[];
  readonly read: () => Readonly<Record<string, string>>;
};

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * `kg-graph-builder-<client id>`; where that is too long, cut and given a hash of the whole. An id that is
 * no label (`Prod_EU`) is made one, with a hash of itself: no two ids have one name, nor have two that
 * differ in case only. Such names have two hyphens in front of the id, which no client id can begin with:
 * nobody can register as one.
 */
export function workerNameOf(clientId: ClientId): string {
  const name = `${WORKER_NAME_PREFIX}${clientId}`;
  if (!LABEL.test(clientId)) {
    const lower = `${WORKER_NAME_PREFIX}-${clientId.toLowerCase().replace(/[._]/gu, "-")}`;
    const kept = lower.slice(0, NAME_CHARS_MAX - ID_HASH_CHARS - 1);
    return `${kept}-${digest(name).slice(0, ID_HASH_CHARS)}`;
  }
  if (name.length <= NAME_CHARS_MAX) return name;
  const kept = `${WORKER_NAME_PREFIX}-${clientId}`.slice(0, NAME_CHARS_MAX - NAME_HASH_CHARS - 1);
  return `${kept}-${digest(name).slice(0, NAME_HASH_CHARS)}`;
}

/**
 * Every name under which a worker of this cluster may consume, ours first: the original neither
 * shortened nor changed its names.
 */
export function workerNamesOf(clientId: ClientId): readonly string[] {
  const ours = workerNameOf(clientId);
  const original = `${WORKER_NAME_PREFIX}${clientId}`;
  return ours === original ? [ours] : [ours, original];
}

/** Equal for equal derived specs; the client id is not in it, so one hash serves the whole fleet. */
export function specHashOf(settings: WorkerSettings): string {
  const shown = Object.entries(settings.environment).sort();
  const secretNames = Object.keys(settings.secretEnvironment()).sort();
  const files = settings.files?.hashed ?? [];
  // Nothing is added where there is nothing: hashes stay what they were.
  const more = files.length === 0 ? [] : [files];
  const text = JSON.stringify([settings.program, shown, secretNames, ...more]);
  return digest(text).slice(0, SPEC_HASH_CHARS);
}

/** What the file of secrets says wins over what we pass on, but never over who the worker is. */
export function workerSpec(
  clientId: ClientId,
  settings: WorkerSettings,
  specHash: string,
): WorkerSpec {
  const identity = { CLIENT_ID: clientId, KAFKA_GROUP: groupOf(clientId) };
  const secrets = Object.entries(settings.secretEnvironment()).filter(
    ([name]) => !(name in identity),
  );
  return {
    clientId,
    name: workerNameOf(clientId),
    fleet: settings.fleet,
    specHash,
    environment: { ...settings.environment, ...identity },
    secrets: Object.fromEntries(secrets),
    ...filesOf(settings, Object.fromEntries(secrets)),
  };
}

/** Who names a file by WORKER_ENV_FILE means one that the worker has. */
function filesOf(
  { files }: WorkerSettings,
  secrets: Readonly<Record<string, string>>,
): Pick<WorkerSpec, "files"> {
  const read = Object.entries(files?.read() ?? {}).filter(([name]) => !(`${name}_FILE` in secrets));
  return read.length === 0 ? {} : { files: Object.fromEntries(read) };
}
