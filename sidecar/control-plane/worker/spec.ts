/**
 * Derives the worker of a cluster: its name, environment and spec hash. Of a registration it uses only the
 * client id, and in names only as far as they may contain it.
 */
import { createHash } from "node:crypto";
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import { WORKER_NAME_PREFIX, type WorkerSpec } from "../runtime/runtime.ts";

/** Length of a DNS label, which container and Job names must be; a longer name is shortened with a hash. */
const NAME_CHARS_MAX = 63;
const NAME_HASH_CHARS = 10;
/** RFC 1123, section 2.1, as in Kubernetes; 0.1 accepted only such client ids. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u;
/**
 * Longer than the other hash, so that the two forms never give the same name, and too long to find a second
 * id with the same hash.
 */
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
  /** Undefined if workers can use our paths. */
  readonly files?: WorkerFiles | undefined;
};

/** Files that the runtime makes readable for a worker, by name: the variable X_FILE has the path of X. */
export type WorkerFiles = {
  /** Which names are part of the hash. */
  readonly hashed: readonly string[];
  readonly read: () => Readonly<Record<string, string>>;
};

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * `kg-graph-builder-<client id>`; if that is too long, it is cut and gets a hash of the whole. An id that
 * is no label (`Prod_EU`) is converted to one, with a hash of the id, so that no two ids share a name, even
 * if they differ only in case. Such names have two hyphens before the id; since no client id begins with a
 * hyphen, no registration can have such a name.
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
 * All names that a worker of this cluster may have, ours first: the original neither shortened nor changed
 * names.
 */
export function workerNamesOf(clientId: ClientId): readonly string[] {
  const ours = workerNameOf(clientId);
  const original = `${WORKER_NAME_PREFIX}${clientId}`;
  return ours === original ? [ours] : [ours, original];
}

/** Equal for equal derived specs; it does not contain the client id, so the whole fleet has one hash. */
export function specHashOf(settings: WorkerSettings): string {
  const shown = Object.entries(settings.environment).sort();
  const secretNames = Object.keys(settings.secretEnvironment()).sort();
  const files = settings.files?.hashed ?? [];
  // Nothing is added if there is none, so that existing hashes stay the same.
  const more = files.length === 0 ? [] : [files];
  const text = JSON.stringify([settings.program, shown, secretNames, ...more]);
  return digest(text).slice(0, SPEC_HASH_CHARS);
}

/** The file of secrets takes precedence over what we pass on, but never over the worker's identity. */
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

/** A file that WORKER_ENV_FILE names is one that the worker itself has. */
function filesOf(
  { files }: WorkerSettings,
  secrets: Readonly<Record<string, string>>,
): Pick<WorkerSpec, "files"> {
  const read = Object.entries(files?.read() ?? {}).filter(([name]) => !(`${name}_FILE` in secrets));
  return read.length === 0 ? {} : { files: Object.fromEntries(read) };
}
