/**
 * Derives the container of a worker: limits, confinement, labels, variables, and where its secrets are.
 * Pure. Of a registration it uses only the client id.
 */

import type { WorkerSpec } from "../runtime.ts";
import type { ContainerBody } from "./engine.ts";
import type { Labels, Mount } from "./extras.ts";

/** The directory for secrets as files, one per variable; `X_FILE` then names the file of X. */
export const SECRETS_DIRECTORY = "/run/secrets";
const LOG_SIZE_MAX = "10m";
const LOG_FILES_MAX = "3";
/** Size of the writable /tmp; it counts against the memory limit. */
const TMP_OPTIONS = "rw,nosuid,nodev,size=64m,mode=1777";
/** A worker is one program; without a limit a fork bomb takes the host. */
const PIDS_MAX = 1024;

export const SECRETS_MODES = ["env", "file"] as const;
export type SecretsMode = (typeof SECRETS_MODES)[number];

/** The settings that all workers' containers share. */
export type ContainerSettings = {
  readonly image: string;
  readonly network: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** `env`: as variables, which `docker inspect` shows. `file`: as files, which it does not show. */
  readonly secrets: SecretsMode;
  /** In mode `file`: a name that is not secret stays a variable. */
  readonly isPublic: (name: string) => boolean;
  /** The operator's labels, besides those that identify a worker. */
  readonly labels?: Labels;
  readonly mounts?: readonly Mount[];
};

export const LABELS = {
  fleet: "outrider.fleet",
  clientId: "outrider.client-id",
  specHash: "outrider.spec-hash",
  /**
   * The container's own name: a container that inherited our labels from an image or a copy has another
   * name, and is not ours.
   */
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

/** The part of the spec hash: a change of any of these replaces workers. */
export const dockerProgram = (settings: ContainerSettings): readonly string[] => [
  "docker",
  settings.image,
  settings.secrets,
  JSON.stringify(hostConfig(settings)),
  ...extrasText(settings),
];

/** Left out when empty, so that existing hashes stay the same. */
const extrasText = ({ labels = {}, mounts = [] }: ContainerSettings): readonly string[] =>
  Object.keys(labels).length === 0 && mounts.length === 0
    ? []
    : [JSON.stringify([Object.entries(labels).sort(), mounts])];

export type Container = {
  readonly body: ContainerBody;
  /** The files to put into SECRETS_DIRECTORY before the start, by name. */
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
 * Without a source it is an anonymous volume, which is removed with its container. The API can write files
 * into a volume, even from another host, but not into a read-only root or a tmpfs.
 */
const secretsMount = (labels: Record<string, string>) =>
  ({
    Type: "volume",
    Source: "",
    Target: SECRETS_DIRECTORY,
    VolumeOptions: { NoCopy: true, Labels: labels, DriverConfig: { Name: "local", Options: {} } },
  }) as const;

/**
 * `Mounts`, not `Binds`: with `Mounts` a missing directory is an error; with `Binds` the engine would
 * create an empty one that root owns.
 */
const operatorsMount = ({ kind, source, target, readOnly }: Mount) => ({
  ...{ Type: kind, Source: source, Target: target, ReadOnly: readOnly },
});
