/**
 * The runtime `kubernetes`: a worker is a Job of one pod in WORKER_NAMESPACE, under the restricted Pod
 * Security standard. What it must be allowed to do: kubernetes-permissions.ts.
 *
 * Invariants (test/contract/runtime.ts, test/contract/runtime-cluster-kubernetes.test.ts):
 *  - a Job is created and never taken over: of one name at most one is there;
 *  - a Job is deleted by uid: what took the name meanwhile is not hit;
 *  - a secret stands in a Secret alone, never in a Job;
 *  - a listing is what a connected watch holds; without one it is an error, for unknown is not none.
 */

import { sleep } from "../../../../shared/deadline.ts";
import type { InformerLog } from "../../../../shared/kubernetes/informer.ts";
import type { Answer, Kubernetes } from "../../../../shared/kubernetes/kubernetes.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { Listing, Runtime, RuntimeError } from "../runtime.ts";
import { type KubernetesContext, podIndex, runtimeError } from "./context.ts";
import { LABELS, MANAGER, type WorkerSettings } from "./manifest.ts";
import { readJob, readPod, sameSeen } from "./observed.ts";
import { startWorker } from "./start.ts";
import { stopWorker } from "./stop.ts";
import { listingOf } from "./worker.ts";

const GRACE_MS = 10_000;
const START_MS_MAX = 60_000;
const LIST_MS_MAX = 10_000;
/** An API server that is just being restarted is no reason not to begin. */
const OPEN_MS_MAX = 30_000;
const OPEN_RETRY_MS = 1_000;

const JOBS = { group: "batch", version: "v1", plural: "jobs" } as const;
const PODS = { group: "", version: "v1", plural: "pods" } as const;

export type KubernetesRuntimeOptions = Omit<WorkerSettings, "graceMs"> & {
  readonly kubernetes: Kubernetes;
  /** Where the workers run; undefined: our own. */
  readonly namespace: string | undefined;
  readonly log: Log;
  readonly random: () => number;
  /** Ends the watches, and with them the runtime. */
  readonly signal: AbortSignal;
  readonly graceMs?: number;
  readonly startMsMax?: number;
};

/** Asks the cluster who it is; everything else is asked when it is needed. */
export async function kubernetesRuntime(
  options: KubernetesRuntimeOptions,
): Promise<Result<Runtime, RuntimeError>> {
  const { kubernetes, signal } = options;
  const namespace = options.namespace ?? kubernetes.namespace;
  const cluster = await clusterUid(kubernetes, signal);
  if (!cluster.ok) return err(runtimeError(cluster.error));
  const context = openContext(options, namespace);
  return ok({
    runtime: "kubernetes",
    scope: `kubernetes:${cluster.value}:${namespace}`,
    list: (until) => list(context, until),
    watch: (onChange, until) => watch(context, onChange, until),
    // A node pulls for its pods alone, and which node that will be nobody knows before.
    prepare: async () => await Promise.resolve(ok(null)),
    start: (spec, until) => startWorker(context, spec, until),
    stop: (worker, until) => stopWorker(context, worker, until),
  });
}

async function clusterUid(kubernetes: Kubernetes, signal: AbortSignal): Answer<string> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(OPEN_MS_MAX)]);
  for (;;) {
    const uid = await kubernetes.clusterUid(bounded);
    if (uid.ok || uid.error.retry === "terminal" || bounded.aborted) return uid;
    await sleep(OPEN_RETRY_MS, bounded);
  }
}

function openContext(options: KubernetesRuntimeOptions, namespace: string): KubernetesContext {
  const { kubernetes, log, random, signal, graceMs = GRACE_MS } = options;
  const common = { random, signal, log: informerLog(log), same: sameSeen };
  const jobs = kubernetes.informer({
    ...common,
    // Without a label selector: what holds a worker's name and is not ours must be seen.
    selection: { resource: JOBS, namespace },
    keep: readJob,
  });
  const pods = kubernetes.informer({
    ...common,
    selection: {
      resource: PODS,
      namespace,
      labelSelector: `${LABELS.managedBy}=${MANAGER},${LABELS.clientId}`,
    },
    keep: readPod,
  });
  return {
    kubernetes,
    namespace,
    settings: { ...options, graceMs },
    jobs,
    pods,
    podsOf: podIndex(pods),
    starting: new Map(),
    startMsMax: options.startMsMax ?? START_MS_MAX,
    log,
  };
}

const informerLog =
  (log: Log): InformerLog =>
  (level, message, fields) =>
    level === "warn" ? log.warn(message, fields) : log.debug(message, fields);

async function list(
  { jobs, pods, starting, namespace }: KubernetesContext,
  signal: AbortSignal,
): Promise<Result<Listing, RuntimeError>> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(LIST_MS_MAX)]);
  const [ofJobs, ofPods] = await Promise.all([jobs.current(bounded), pods.current(bounded)]);
  if (!ofJobs.ok) return err(runtimeError(ofJobs.error));
  if (!ofPods.ok) return err(runtimeError(ofPods.error));
  const isStarting = (name: string) => starting.has(name);
  return ok(listingOf({ jobs: ofJobs.value, pods: ofPods.value, isStarting }, namespace));
}

function watch({ jobs, pods }: KubernetesContext, onChange: () => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  const leave = [jobs.onChange(onChange), pods.onChange(onChange)];
  const end = () => {
    for (const each of leave) each();
  };
  signal.addEventListener("abort", end, { once: true });
}
