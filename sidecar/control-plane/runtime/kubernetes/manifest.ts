/** What is asked of Kubernetes for one worker: a Job, and a Secret that goes with it. Pure. */
import { createHash } from "node:crypto";
import type { V1EnvVar, V1Job, V1PodSpec, V1Secret, V1Volume } from "@kubernetes/client-node";
import type { JobFields } from "../../../../shared/kubernetes/kubernetes.ts";
import { kubernetesCpu, kubernetesQuantity } from "../../../../shared/quantity.ts";
import type { WorkerSpec } from "../runtime.ts";
import { type PodTemplate, podTemplateText, WORKER_CONTAINER } from "./pod-template.ts";

export const LABELS = {
  managedBy: "app.kubernetes.io/managed-by",
  fleet: "outrider.fleet",
  /** Also an annotation, which holds it in full where a label cannot. */
  clientId: "outrider.client-id",
  specHash: "outrider.spec-hash",
  /** The Job's own name, in an annotation: labels that a copy took along do not make it ours. */
  name: "outrider.name",
  /** An annotation of a Job that we have let begin: if it is suspended, another did it. */
  released: "outrider.released",
} as const;
export const MANAGER = "outrider";

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/u;
const LABEL_HASH_CHARS = 16;
/** Neither root nor anybody: Pod Security "restricted" wants a number other than 0. */
const WORKER_USER = 65_532;
const TMP_BYTES_MAX = 256 * 1024 * 1024;
/**
 * Workers mostly wait, and a Docker limit reserves nothing: a node takes ten times the workers that their
 * limits alone would let it. Memory is reserved in full, for it cannot be taken back.
 */
const CPU_RESERVED_SHARE = 0.1;

export type WorkerSettings = {
  readonly image: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly serviceAccount: string;
  /** A Secret of the operator's whose keys are variables; undefined: each worker gets one of its own. */
  readonly secretName: string | undefined;
  /** Of the operator's, to be laid over each pod. */
  readonly podTemplate?: PodTemplate | undefined;
  readonly graceMs: number;
};

/** What of it changes a worker: part of the spec hash. */
export const programOf = (settings: Omit<WorkerSettings, "graceMs">): readonly string[] => [
  "kubernetes",
  settings.image,
  kubernetesQuantity(settings.memoryBytes),
  kubernetesCpu(settings.cpuMillis),
  settings.serviceAccount,
  settings.secretName ?? "",
  ...(settings.podTemplate === undefined ? [] : [podTemplateText(settings.podTemplate)]),
];

/** The value itself where it may stand in a label, else a hash of it; the annotation has it in full. */
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

/** @param secretName the Secret of the worker's own, which is made after its Job: the Job waits for it. */
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
    // Addresses of the namespace's Services are nothing that a worker was promised.
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
        // Not beside files: each of them would be a variable, too.
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

/** Where files are mounted, and their keys in the worker's Secret, which are no names of variables. */
const FILES_DIRECTORY = "/run/outrider";
const FILES_VOLUME = "outrider-files";
const fileKey = (name: string): string => `${name}.file`;

/** Beside files the Secret is not taken whole: its variables are named one by one. */
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

/** Owned by the Job: Kubernetes removes it with it. */
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

/** Lets a Job begin that waited. */
export const resumedJob = (name: string, uid: string): JobFields => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, uid, annotations: RELEASED },
  spec: { suspend: false },
});
