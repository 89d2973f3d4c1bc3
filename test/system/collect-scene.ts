/** A cluster to collect: an account with exactly what it needs, objects with planted secrets, and what there is. */
import { randomUUID } from "node:crypto";
import * as v from "valibot";
import { annotationRule } from "../../agent/collect/encode/annotations.ts";
import { kindOf } from "../../agent/collect/encode/kind.ts";
import { encode } from "../../agent/collect/encode/record.ts";
import { openCredentials } from "../../shared/kubernetes/credentials.ts";
import { listEach } from "../../shared/kubernetes/list.ts";
import { openTransport } from "../../shared/kubernetes/transport.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";
import { signal, value } from "../contract/runtime-subject.ts";
import type { Collected } from "./collected.ts";

export const NAMESPACE = "collected";
const ACCOUNT = "collector";
/** Of `COLLECT_KINDS` as it is by default, and secrets. */
export const WORDS = [
  ...["deployments", "pods", "nodes", "services", "ingresses", "configmaps", "secrets"],
  ...["persistent_volumes", "persistent_volume_claims"],
] as const;
/** Nobody could have it by chance. */
export const PLANTED = `planted-${randomUUID()}`;

const READ = ["get", "list", "watch"];

/** What `charts/` must grant, without `nodes` at first. */
const rules = (more: readonly string[] = []) => [
  { apiGroups: ["apps"], resources: ["deployments"], verbs: READ },
  { apiGroups: ["networking.k8s.io"], resources: ["ingresses"], verbs: READ },
  {
    apiGroups: [""],
    resources: [
      ...["pods", "services", "configmaps", "secrets", "persistentvolumes"],
      ...["persistentvolumeclaims", ...more],
    ],
    verbs: READ,
  },
  { apiGroups: [""], resources: ["namespaces"], resourceNames: ["kube-system"], verbs: ["get"] },
];

export const grant = (bed: KubernetesBed, more: readonly string[] = []): Promise<void> =>
  bed.apply(
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: ACCOUNT },
      rules: rules(more),
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: ACCOUNT },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: ACCOUNT },
      subjects: [{ kind: "ServiceAccount", name: ACCOUNT, namespace: NAMESPACE }],
    },
  );

/** @returns the path of its kubeconfig */
export async function makeAccount(bed: KubernetesBed): Promise<string> {
  await bed.apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    ...["default", ACCOUNT].map((name) => ({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name, namespace: NAMESPACE },
    })),
  );
  await grant(bed);
  return await bed.kubeconfigOf(NAMESPACE, ACCOUNT);
}

const meta = (name: string, more: object = {}) => ({ name, namespace: NAMESPACE, ...more });
export const configMap = (name: string, text: string, labels: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: meta(name, { labels }),
  data: { [`key-${text}`]: text },
});

/** One object of each kind, with a secret in every place that the collector must not read. */
export async function plant(bed: KubernetesBed): Promise<void> {
  const annotations = {
    "kapp.k14s.io/original": PLANTED,
    "example.com/token": PLANTED,
    "deployment.kubernetes.io/revision": "7",
  };
  const pod = {
    containers: [
      {
        name: "main",
        image: "localhost/none:1",
        env: [{ name: "TOKEN", value: PLANTED }],
        args: [`--password=${PLANTED}`],
        command: ["/bin/none", PLANTED],
        livenessProbe: { httpGet: { path: `/${PLANTED}`, port: 80 } },
      },
    ],
  };
  await bed.apply(
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: meta("credentials", { annotations }),
      stringData: { password: PLANTED, user: PLANTED },
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: meta("settings", { annotations }),
      data: { "app.conf": PLANTED },
      binaryData: { blob: btoa(PLANTED) },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: meta("web", { annotations }),
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" }, annotations }, spec: pod },
      },
    },
    { apiVersion: "v1", kind: "Pod", metadata: meta("lone", { annotations }), spec: pod },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: meta("web", { annotations }),
      spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }] },
    },
    {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: "disk", annotations },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        csi: {
          driver: "csi.example.com",
          volumeHandle: PLANTED,
          volumeAttributes: { key: PLANTED },
        },
      },
    },
  );
  // As `kubectl apply` does it, whose annotation repeats the whole Secret, values in clear.
  const applied = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: meta("applied"),
    stringData: { key: PLANTED },
  };
  await bed.kubectl(["apply", "-f", "-"], JSON.stringify(applied));
}

const Named = v.object({ metadata: v.object({ name: v.string() }) });

/** `<uid> <hash>` of each object of a kind, as the API server has it now. */
export async function hashesOf(bed: KubernetesBed, word: string): Promise<readonly string[]> {
  const kind = kindOf(word);
  if (kind === undefined) throw new Error(`no kind ${word}`);
  const transport = openTransport(value(openCredentials({ kubeconfig: bed.kubeconfig })), "test/1");
  const isAllowed = annotationRule(["deployment.kubernetes.io/revision", "meta.helm.sh/*"]);
  const found = new Map<string, string>();
  const listed = await listEach(
    transport,
    {
      resource: kind.resource,
      ...(kind.asTable ? { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" } : {}),
    },
    {
      listing: () => found.clear(),
      listed: ({ uid, object }) => {
        v.parse(Named, object);
        found.set(uid, encode(kind, object, isAllowed).hash);
        return true;
      },
    },
    signal,
  );
  if (!listed.ok) throw new Error(listed.error.detail);
  return [...found].map(([uid, hash]) => `${uid} ${hash}`).sort();
}

/** The same, as a reader of the topic has it. */
export const readHashes = (collected: Collected, word: string): readonly string[] =>
  [...(collected.state.rows.get(kindOf(word)?.kind ?? "")?.entries() ?? [])]
    .map(([uid, { record }]) => `${uid} ${record.hash}`)
    .sort();
