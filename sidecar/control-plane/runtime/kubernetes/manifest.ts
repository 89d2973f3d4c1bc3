/** What is asked of Kubernetes for one worker: a Job, and a Secret that goes with it. Pure. */
import { createHash } from "node:crypto";
import type { V1EnvVar, V1Job, V1PodSpec, V1Secret } from "@kubernetes/client-node";
import type { JobFields } from "../../../../shared/kubernetes/kubernetes.ts";
import { kubernetesCpu, kubernetesQuantity } from "../../../../shared/quantity.ts";
import type { WorkerSpec } from "../runtime.ts";

export const LABELS = {
  managedBy: "app.kubernetes.io/managed-by",
  fleet: "outrider.fleet",
  clientId: "outrider.client-id",
  specHash: "outrider.spec-hash",
  /** The Job's own name, in an annotation: labels that a copy took along do not make it ours. */
  name: "outrider.name",
} as const;
export const MANAGER = "outrider";
/** Admission may put others beside it, such as a service mesh's proxy. */
export const WORKER_CONTAINER = "worker";

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
];

/** The value itself where it may stand in a label, else a hash of it; the annotation has it in full. */
export const labelValue = (value: string): string =>
  LABEL_VALUE.test(value)
    ? value
    : `sha256-${createHash("sha256").update(value).digest("hex").slice(0, LABEL_HASH_CHARS)}`;

const labelsOf = (spec: WorkerSpec): Record<string, string> => ({
  [LABELS.managedBy]: MANAGER,
  "app.kubernetes.io/name": "graph-builder",
  "app.kubernetes.io/component": "worker",
  [LABELS.fleet]: labelValue(spec.fleet),
  [LABELS.clientId]: spec.clientId,
  [LABELS.specHash]: spec.specHash,
});

/** @param secretName the Secret of the worker's own, which is made after its Job: the Job waits for it. */
export function workerJob(
  spec: WorkerSpec,
  settings: WorkerSettings,
  secretName: string | undefined,
): V1Job {
  const labels = labelsOf(spec);
  const annotations = { [LABELS.fleet]: spec.fleet, [LABELS.name]: spec.name };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: spec.name, labels, annotations },
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
        env: environmentOf(spec, settings.secretName === undefined ? spec.secrets : {}),
        ...(secretName === undefined ? {} : { envFrom: [{ secretRef: { name: secretName } }] }),
        resources: {
          requests: { memory, cpu: reserved },
          limits: { memory, cpu: kubernetesCpu(cpuMillis) },
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
      },
    ],
    volumes: [{ name: "tmp", emptyDir: { sizeLimit: kubernetesQuantity(TMP_BYTES_MAX) } }],
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
    { name: "OUTRIDER_CLIENT_ID", valueFrom: label(LABELS.clientId) },
    { name: "OUTRIDER_SPEC_HASH", valueFrom: label(LABELS.specHash) },
    { name: "OUTRIDER_INSTANCE", valueFrom: label("batch.kubernetes.io/controller-uid") },
  ];
}

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
  stringData: { ...spec.secrets },
});

/** Lets a Job begin that waited. */
export const resumedJob = (name: string, uid: string): JobFields => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, uid },
  spec: { suspend: false },
});
