/**
 * The runtime `kubernetes`: a worker is a Job of one pod in WORKER_NAMESPACE, under the restricted Pod
 * Security standard. What it must be allowed to do: permissions.ts.
 *
 * Invariants (test/contract/runtime.ts, test/contract/runtime-cluster-kubernetes.test.ts):
 *  - a Job is created and never taken over: there is at most one of a name;
 *  - a Job is deleted by uid: another one that took the name meanwhile is not hit;
 *  - a secret is only in a Secret, never in a Job;
 *  - a listing is the state of a connected watch; without one it is an error, because "unknown" is not "none".
 */

import type { Clock } from "../../../../shared/clock.ts";
import type { KubernetesLog } from "../../../../shared/kubernetes/follow.ts";
import type { Answer, Kubernetes } from "../../../../shared/kubernetes/kubernetes.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { isTransient, retry } from "../../../../shared/retry.ts";
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
/** Long enough for an API server that is just being restarted. */
const OPEN_MS_MAX = 30_000;
const OPEN_PACE = { baseMs: 1_000, maxMs: 1_000, certain: 1 } as const;

const JOBS = { group: "batch", version: "v1", plural: "jobs" } as const;
const PODS = { group: "", version: "v1", plural: "pods" } as const;

export type KubernetesRuntimeOptions = Omit<WorkerSettings, "graceMs"> & {
  readonly kubernetes: Kubernetes;
  /** Where the workers run; undefined: our own. */
  readonly namespace: string | undefined;
  readonly log: Log;
  readonly clock: Clock;
  /** Ends the watches, and so the runtime. */
  readonly signal: AbortSignal;
  readonly graceMs?: number;
  readonly startMsMax?: number;
};

/** Asks the cluster for its identity; everything else is asked when it is needed. */
export async function kubernetesRuntime(
  options: KubernetesRuntimeOptions,
): Promise<Result<Runtime, RuntimeError>> {
  const { kubernetes } = options;
  const namespace = options.namespace ?? kubernetes.namespace;
  const cluster = await clusterUid(options);
  if (!cluster.ok) return err(runtimeError(cluster.error));
  const context = openContext(options, namespace);
  return ok({
    runtime: "kubernetes",
    scope: `kubernetes:${cluster.value}:${namespace}`,
    list: (until) => list(context, until),
    watch: (onChange, until) => watch(context, onChange, until),
    // A node pulls images for its own pods only, and the node is not known beforehand.
    prepare: async () => await Promise.resolve(ok(null)),
    start: (spec, until) => startWorker(context, spec, until),
    stop: (worker, until) => stopWorker(context, worker, until),
  });
}

function clusterUid({ kubernetes, clock, signal }: KubernetesRuntimeOptions): Answer<string> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(OPEN_MS_MAX)]);
  const policy = { ...OPEN_PACE, clock, again: isTransient };
  return retry(() => kubernetes.clusterUid(bounded), policy, bounded);
}

function openContext(options: KubernetesRuntimeOptions, namespace: string): KubernetesContext {
  const { kubernetes, log, clock, signal, graceMs = GRACE_MS } = options;
  const common = { clock, signal, log: informerLog(log), same: sameSeen };
  const jobs = kubernetes.informer({
    ...common,
    // Without a label selector, to see Jobs that have a worker's name and are not ours.
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
  (log: Log): KubernetesLog =>
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
