/** The objects of one worker: a Job, and a Secret that belongs to it. Pure. */
import { createHash } from "node:crypto";
import type { V1EnvVar, V1Job, V1PodSpec, V1Secret, V1Volume } from "@kubernetes/client-node";
import type { JobFields } from "../../../../shared/kubernetes/kubernetes.ts";
import { kubernetesCpu, kubernetesQuantity } from "../../../../shared/quantity.ts";
import type { WorkerSpec } from "../runtime.ts";
import { type PodTemplate, podTemplateText, WORKER_CONTAINER } from "./pod-template.ts";

export const LABELS = {
  managedBy: "app.kubernetes.io/managed-by",
  fleet: "outrider.fleet",
  /** Also an annotation, which has the full value where a label cannot. */
  clientId: "outrider.client-id",
  specHash: "outrider.spec-hash",
  /** The Job's own name, in an annotation: a copy has our labels but another name, and is not ours. */
  name: "outrider.name",
  /** An annotation of a Job that we have resumed: if it is suspended, somebody else did it. */
  released: "outrider.released",
} as const;
export const MANAGER = "outrider";

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/u;
const LABEL_HASH_CHARS = 16;
/** Not root: Pod Security "restricted" requires a number other than 0. */
const WORKER_USER = 65_532;
const TMP_BYTES_MAX = 256 * 1024 * 1024;
/**
 * Workers mostly wait, so the CPU request is a tenth of the limit: a node then accepts ten times as many
 * workers. A Docker limit reserves nothing either. Memory is requested in full, because it cannot be
 * reclaimed.
 */
const CPU_RESERVED_SHARE = 0.1;

export type WorkerSettings = {
  readonly image: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly serviceAccount: string;
  /** An operator's Secret whose keys are variables; undefined: each worker gets a Secret of its own. */
  readonly secretName: string | undefined;
  /** The operator's template, which is merged into each pod. */
  readonly podTemplate?: PodTemplate | undefined;
  readonly graceMs: number;
};

/** The settings that are part of the spec hash: a change replaces workers. */
export const programOf = (settings: Omit<WorkerSettings, "graceMs">): readonly string[] => [
  "kubernetes",
  settings.image,
  kubernetesQuantity(settings.memoryBytes),
  kubernetesCpu(settings.cpuMillis),
  settings.serviceAccount,
  settings.secretName ?? "",
  ...(settings.podTemplate === undefined ? [] : [podTemplateText(settings.podTemplate)]),
];

/** The value itself if a label may contain it, else a hash of it; the annotation has the full value. */
export const labelValue = (value: string): string =>
  LABEL_VALUE.test(value)
    ? value
    : `sha256-${createHash("sha256").update(value).digest("hex").slice(0, LABEL_HASH_CHARS)}`;

const RELEASED = { [LABELS.released]: "true" };

const labelsOf = (spec: WorkerSpec): Record<string, string> => ({
  [LABELS.managedBy]: MANAGER,
  "app.kubernetes.io/name": "graph-builder",
  "app.kubernetes.io/component": "worker",
  [LABELS.fleet]: labelValue(spec.fleet),
  [LABELS.clientId]: labelValue(spec.clientId),
  [LABELS.specHash]: spec.specHash,
});

/** @param secretName the worker's own Secret, which is created after the Job; the Job is suspended until then. */
export function workerJob(
  spec: WorkerSpec,
  settings: WorkerSettings,
  secretName: string | undefined,
): V1Job {
  const labels = labelsOf(spec);
  const annotations = {
    [LABELS.fleet]: spec.fleet,
    [LABELS.name]: spec.name,
    [LABELS.clientId]: spec.clientId,
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: spec.name,
      labels,
      annotations: secretName === undefined ? { ...annotations, ...RELEASED } : annotations,
    },
    spec: {
      suspend: secretName !== undefined,
      // We are the supervisor: one pod, once.
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      podReplacementPolicy: "Failed",
      template: {
        metadata: { labels, annotations },
        spec: podSpec(spec, settings, secretName ?? settings.secretName),
      },
    },
  };
}

function podSpec(
  spec: WorkerSpec,
  settings: WorkerSettings,
  secretName: string | undefined,
): V1PodSpec {
  const { memoryBytes, cpuMillis, graceMs } = settings;
  const memory = kubernetesQuantity(memoryBytes);
  const names = Object.keys(spec.files ?? {});
  const files = secretName === undefined || names.length === 0 ? undefined : { names, secretName };
  const reserved = kubernetesCpu(Math.ceil(cpuMillis * CPU_RESERVED_SHARE));
  return {
    restartPolicy: "Never",
    serviceAccountName: settings.serviceAccount,
    automountServiceAccountToken: false,
    // Workers do not get the addresses of the namespace's Services as variables.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: Math.ceil(graceMs / 1000),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: WORKER_USER,
      runAsGroup: WORKER_USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: WORKER_CONTAINER,
        image: settings.image,
        imagePullPolicy: "IfNotPresent",
        env: [
          ...environmentOf(spec, settings.secretName === undefined ? spec.secrets : {}),
          ...(files === undefined ? [] : fileVariables(spec, files.secretName)),
        ],
        // Not if there are files: each of them would also become a variable.
        ...(secretName === undefined || files !== undefined
          ? {}
          : { envFrom: [{ secretRef: { name: secretName } }] }),
        resources: {
          requests: { memory, cpu: reserved },
          limits: { memory, cpu: kubernetesCpu(cpuMillis) },
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [
          { name: "tmp", mountPath: "/tmp" },
          ...(files === undefined
            ? []
            : [{ name: FILES_VOLUME, mountPath: FILES_DIRECTORY, readOnly: true }]),
        ],
      },
    ],
    volumes: [
      { name: "tmp", emptyDir: { sizeLimit: kubernetesQuantity(TMP_BYTES_MAX) } },
      ...(files === undefined ? [] : [filesVolume(files.names, files.secretName)]),
    ],
  };
}

/** The worker's own secrets win, but a pod's `env` wins over its `envFrom`: they are left out here. */
function environmentOf(
  { environment }: WorkerSpec,
  secrets: Readonly<Record<string, string>>,
): V1EnvVar[] {
  const shown = Object.entries(environment).filter(([name]) => !(name in secrets));
  return [
    ...shown.map(([name, value]) => ({ name, value: literal(value) })),
    { name: "OUTRIDER_FLEET", valueFrom: annotation(LABELS.fleet) },
    { name: "OUTRIDER_CLIENT_ID", valueFrom: annotation(LABELS.clientId) },
    { name: "OUTRIDER_SPEC_HASH", valueFrom: label(LABELS.specHash) },
    { name: "OUTRIDER_INSTANCE", valueFrom: label("batch.kubernetes.io/controller-uid") },
  ];
}

/** Where files are mounted, and their keys in the worker's Secret, which are no variable names. */
const FILES_DIRECTORY = "/run/outrider";
const FILES_VOLUME = "outrider-files";
const fileKey = (name: string): string => `${name}.file`;

/** If there are files, the Secret is not used as a whole: its variables are listed one by one. */
const fileVariables = ({ secrets, files = {} }: WorkerSpec, secretName: string): V1EnvVar[] => [
  ...Object.keys(secrets).map((name) => ({
    name,
    valueFrom: { secretKeyRef: { name: secretName, key: name } },
  })),
  ...Object.keys(files).map((name) => ({
    name: `${name}_FILE`,
    value: `${FILES_DIRECTORY}/${name}`,
  })),
];

const filesVolume = (names: readonly string[], secretName: string): V1Volume => ({
  name: FILES_VOLUME,
  secret: {
    secretName,
    defaultMode: 0o444,
    items: names.map((name) => ({ key: fileKey(name), path: name })),
  },
});

/** `$(NAME)` in a value would be replaced by Kubernetes. */
const literal = (value: string): string => value.replaceAll("$", () => "$$");

const label = (name: string) => ({ fieldRef: { fieldPath: `metadata.labels['${name}']` } });
const annotation = (name: string) => ({
  fieldRef: { fieldPath: `metadata.annotations['${name}']` },
});

/** Owned by the Job, so that Kubernetes removes it together with the Job. */
export const workerSecret = (spec: WorkerSpec, secretName: string, jobUid: string): V1Secret => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: secretName,
    labels: labelsOf(spec),
    ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: spec.name, uid: jobUid }],
  },
  type: "Opaque",
  immutable: true,
  stringData: {
    ...spec.secrets,
    ...Object.fromEntries(
      Object.entries(spec.files ?? {}).map(([name, content]) => [fileKey(name), content]),
    ),
  },
});

/** Resumes a Job that waited. */
export const resumedJob = (name: string, uid: string): JobFields => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, uid, annotations: RELEASED },
  spec: { suspend: false },
});
