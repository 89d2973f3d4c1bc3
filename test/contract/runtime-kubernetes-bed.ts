/** Namespaces, worker programs and faults for tests of the kubernetes runtime, in its box. */

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../shared/clock.ts";
import { openCredentials } from "../../shared/kubernetes/credentials.ts";
import { type Kubernetes, openKubernetes as openDoor } from "../../shared/kubernetes/kubernetes.ts";
import {
  CLUSTER_RULES,
  WORKER_RULES,
} from "../../sidecar/control-plane/runtime/kubernetes/permissions.ts";
import {
  type KubernetesRuntimeOptions,
  kubernetesRuntime,
} from "../../sidecar/control-plane/runtime/kubernetes/runtime.ts";
import type { Runtime, Worker } from "../../sidecar/control-plane/runtime/runtime.ts";
import { until } from "../bed/condition.ts";
import { writeImage } from "../bed/kubernetes/image.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";
import { signalPid, variablesOf } from "./runtime-process-bed.ts";
import { listOf, type RuntimeSubject, silentLog, value } from "./runtime-subject.ts";

const WORKER_IMAGE = "localhost/bed/worker:1";
const DEADLINE_MS = 30_000;

/** It is PID 1 of its container, where a signal without a trap does nothing. */
const WORKER = `
[ "$ACT" = ignore-term ] && trap '' TERM || trap 'exit 0' TERM
case $ACT in
  run) sleep 600 & wait ;;
  ignore-term) while :; do sleep 0.2; done ;;
  exit-*) exit "\${ACT#exit-}" ;;
  wait-for-file) until [ -e /tmp/release ]; do sleep 0.05; done; exit 5 ;;
  grandchild) sleep 600 & exit 4 ;;
  print) for i in $(seq 300); do echo "line $i of $CLIENT_ID"; sleep 0.02; done ;;
  eat-memory) x=0123456789abcdef; while :; do x=$x$x; done ;;
esac`;

/** Makes the worker's image and puts it on the node. */
export async function loadWorkerImage(bed: KubernetesBed): Promise<void> {
  const script = join(bed.directory, "worker.sh");
  const tar = join(bed.directory, "worker.tar");
  await Bun.write(script, WORKER);
  await writeImage(tar, {
    name: WORKER_IMAGE,
    files: { "/bin/busybox": "/bin/busybox", "/worker.sh": script },
    links: Object.fromEntries(
      ["sh", "sleep", "seq", "["].map((name) => [`/bin/${name}`, "busybox"]),
    ),
    entrypoint: ["/bin/sh", "/worker.sh"],
  });
  await bed.loadImage(tar);
}

export const openClient = (kubeconfig: string): Kubernetes =>
  openDoor({
    credentials: value(openCredentials({ kubeconfig })),
    fieldManager: "outrider",
    userAgent: "outrider-test/1",
  });

export const runtimeOptions = (
  bed: KubernetesBed,
  namespace: string,
  signal: AbortSignal,
): KubernetesRuntimeOptions => ({
  kubernetes: openClient(bed.kubeconfig),
  namespace,
  image: WORKER_IMAGE,
  memoryBytes: 32 * 1024 * 1024,
  cpuMillis: 400,
  serviceAccount: "default",
  secretName: undefined,
  log: silentLog,
  clock: systemClock,
  signal,
  graceMs: 1_000,
});

/** Processes of that incarnation, by their environment: its pods are in our box. */
export function pidsOf(instance: string): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/u.test(entry))
    .map(Number)
    .filter((pid) => variablesOf(pid)?.["OUTRIDER_INSTANCE"] === instance);
}

let namespaces = 0;

/** A namespace of its own for each subject: what one leaves, no other sees. */
export async function makeSubject(bed: KubernetesBed): Promise<RuntimeSubject> {
  namespaces += 1;
  const namespace = `workers-${namespaces}`;
  await bed.makeNamespace(namespace, { restricted: true });
  const ended = new AbortController();
  const open = async (): Promise<Runtime> =>
    value(await kubernetesRuntime(runtimeOptions(bed, namespace, ended.signal)));
  const runtime = await open();
  return {
    runtime,
    reopen: open,
    foreignNamed: async (name) => {
      await bed.apply(foreignJob(namespace, name));
      const read = () => bed.kubectl(["get", "job", name, "-n", namespace, "-o", "json"]);
      const before = await read();
      await until(
        "the watch has told of it",
        async () => (await listOf(runtime)).foreign.length > 0,
        { deadlineMs: DEADLINE_MS },
      );
      return async () => (await read()) === before;
    },
    signal: (worker, name) => {
      for (const pid of pidsOf(worker.instance)) signalPid(pid, name);
      return Promise.resolve();
    },
    release: (worker) => {
      const [pid] = pidsOf(worker.instance);
      writeFileSync(`/proc/${pid}/root/tmp/release`, "");
      return Promise.resolve();
    },
    lives: (worker) => Promise.resolve(pidsOf(worker.instance).length > 0),
    environmentOf: (worker) => Promise.resolve(environmentOf(worker)),
    many: 20,
    cleanup: async () => {
      ended.abort();
      await bed.kubectl(["delete", "namespace", namespace, "--wait=false"]);
    },
  };
}

const environmentOf = (worker: Worker): Readonly<Record<string, string>> =>
  variablesOf(pidsOf(worker.instance)[0] ?? 0) ?? {};

/** Somebody else's, that will never run. */
const foreignJob = (namespace: string, name: string): object => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name, namespace },
  spec: {
    suspend: true,
    template: {
      spec: { restartPolicy: "Never", containers: [{ name: "other", image: "localhost/other:1" }] },
    },
  },
});

/** The documented rules for a ServiceAccount `control-plane` of this namespace. */
export function grant(namespace: string): readonly object[] {
  const rbac = "rbac.authorization.k8s.io";
  const metadata = { name: "control-plane", namespace };
  const ofCluster = { name: `control-plane-${namespace}` };
  const subjects = [{ kind: "ServiceAccount", ...metadata }];
  const reference = (kind: string, name: string) => ({ apiGroup: rbac, kind, name });
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    { apiVersion: `${rbac}/v1`, kind: "Role", metadata, rules: WORKER_RULES },
    {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata,
      subjects,
      roleRef: reference("Role", "control-plane"),
    },
    { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: ofCluster, rules: CLUSTER_RULES },
    {
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRoleBinding",
      metadata: ofCluster,
      subjects,
      roleRef: reference("ClusterRole", ofCluster.name),
    },
  ];
}
