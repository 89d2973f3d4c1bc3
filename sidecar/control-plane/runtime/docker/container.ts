/**
 * The container of a worker, derived: limits, confinement, labels, variables, and where its secrets are.
 * Pure. No field of a registration is in it but the client id.
 */

import type { WorkerSpec } from "../runtime.ts";
import type { ContainerBody } from "./engine.ts";
import type { Labels, Mount } from "./extras.ts";

/** Where secrets are put as files, one per variable; `X_FILE` then names the file of X. */
export const SECRETS_DIRECTORY = "/run/secrets";
const LOG_SIZE_MAX = "10m";
const LOG_FILES_MAX = "3";
/** Of the writable /tmp; it counts against the limit of memory. */
const TMP_OPTIONS = "rw,nosuid,nodev,size=64m,mode=1777";
/** A worker is one program; without a limit a fork bomb takes the host. */
const PIDS_MAX = 1024;

export const SECRETS_MODES = ["env", "file"] as const;
export type SecretsMode = (typeof SECRETS_MODES)[number];

/** What every worker's container has in common. */
export type ContainerSettings = {
  readonly image: string;
  readonly network: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** `env`: as variables, which `docker inspect` shows. `file`: as files that it does not. */
  readonly secrets: SecretsMode;
  /** In mode `file`: a name that is no secret after all stays a variable. */
  readonly isPublic: (name: string) => boolean;
  /** The operator's own, beside those by which a worker is known. */
  readonly labels?: Labels;
  readonly mounts?: readonly Mount[];
};

export const LABELS = {
  fleet: "outrider.fleet",
  clientId: "outrider.client-id",
  specHash: "outrider.spec-hash",
  /** The container's own name: labels that an image or a copy inherited do not make it ours. */
  name: "outrider.name",
} as const;

type HostConfig = NonNullable<ContainerBody["HostConfig"]>;

const hostConfig = (settings: ContainerSettings): HostConfig => ({
  NetworkMode: settings.network,
  Memory: settings.memoryBytes,
  // Memory and swap together: no swap on top.
  MemorySwap: settings.memoryBytes,
  NanoCpus: settings.cpuMillis * 1_000_000,
  PidsLimit: PIDS_MAX,
  // We are the supervisor.
  RestartPolicy: { Name: "no" },
  Init: true,
  ReadonlyRootfs: true,
  Tmpfs: { "/tmp": TMP_OPTIONS },
  CapDrop: ["ALL"],
  SecurityOpt: ["no-new-privileges:true"],
  LogConfig: {
    Type: "json-file",
    Config: { "max-size": LOG_SIZE_MAX, "max-file": LOG_FILES_MAX },
  },
});

/** What is hashed into the spec: a change of any of it replaces workers. */
export const dockerProgram = (settings: ContainerSettings): readonly string[] => [
  "docker",
  settings.image,
  settings.secrets,
  JSON.stringify(hostConfig(settings)),
  ...extrasText(settings),
];

/** Nothing where there is nothing: hashes stay what they were. */
const extrasText = ({ labels = {}, mounts = [] }: ContainerSettings): readonly string[] =>
  Object.keys(labels).length === 0 && mounts.length === 0
    ? []
    : [JSON.stringify([Object.entries(labels).sort(), mounts])];

export type Container = {
  readonly body: ContainerBody;
  /** To be put into SECRETS_DIRECTORY before the start, by file name. */
  readonly files: ReadonlyMap<string, string>;
};

export function containerOf(
  spec: WorkerSpec,
  settings: ContainerSettings,
  graceSeconds: number,
): Container {
  const isFile = (name: string) => settings.secrets === "file" && !settings.isPublic(name);
  const secrets = Object.entries(spec.secrets);
  const files = new Map([
    ...secrets.filter(([name]) => isFile(name)),
    ...Object.entries(spec.files ?? {}),
  ]);
  const variables = {
    ...spec.environment,
    ...Object.fromEntries(secrets.filter(([name]) => !files.has(name))),
    ...Object.fromEntries(
      [...files.keys()].map((name) => [`${name}_FILE`, `${SECRETS_DIRECTORY}/${name}`]),
    ),
  };
  const labels = {
    ...settings.labels,
    [LABELS.fleet]: spec.fleet,
    [LABELS.clientId]: spec.clientId,
    [LABELS.specHash]: spec.specHash,
    [LABELS.name]: spec.name,
  };
  const mounts = [
    ...(files.size === 0 ? [] : [secretsMount(labels)]),
    ...(settings.mounts ?? []).map(operatorsMount),
  ];
  return {
    files,
    body: {
      Image: settings.image,
      Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      Labels: labels,
      StopTimeout: graceSeconds,
      HostConfig: {
        ...hostConfig(settings),
        ...(mounts.length === 0 ? {} : { Mounts: mounts }),
      },
    },
  };
}

/**
 * Without a source it is an anonymous volume, which goes with its container. A volume takes files through
 * the API, from another host, too, where a read-only root and a tmpfs do not.
 */
const secretsMount = (labels: Record<string, string>) =>
  ({
    Type: "volume",
    Source: "",
    Target: SECRETS_DIRECTORY,
    VolumeOptions: { NoCopy: true, Labels: labels, DriverConfig: { Name: "local", Options: {} } },
  }) as const;

/** `Mounts`, not `Binds`: a directory that is not there is an error, in place of an empty one that root owns. */
const operatorsMount = ({ kind, source, target, readOnly }: Mount) => ({
  ...{ Type: kind, Source: source, Target: target, ReadOnly: readOnly },
});
