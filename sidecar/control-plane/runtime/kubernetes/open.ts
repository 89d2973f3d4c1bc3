/**
 * From the configuration to the kubernetes runtime. Loaded only when this runtime is chosen, because the
 * package is large.
 */

import * as v from "valibot";
import type { Clock } from "../../../../shared/clock.ts";
import { EXIT, type ExitCode } from "../../../../shared/exit.ts";
import { openCredentials } from "../../../../shared/kubernetes/credentials.ts";
import { type Kubernetes, openKubernetes } from "../../../../shared/kubernetes/kubernetes.ts";
import type { Log } from "../../../../shared/log.ts";
import { ClientId } from "../../../../shared/protocol/client-id.ts";
import { err, type Result } from "../../../../shared/result.ts";
import type { Runtime } from "../runtime.ts";
import { type WorkerSettings, workerJob } from "./manifest.ts";
import { withPodTemplate } from "./pod-merge.ts";
import { kubernetesRuntime } from "./runtime.ts";

const FIELD_MANAGER = "outrider-control-plane";

export type KubernetesOpening = Omit<WorkerSettings, "graceMs"> & {
  /** KUBECONFIG. */
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
  readonly version: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

/** The exit code, and the variable or permission to change. */
type NotOpened = { readonly exit: ExitCode; readonly detail: string };

export async function openKubernetesRuntime(
  opening: KubernetesOpening,
): Promise<Result<Runtime, NotOpened>> {
  const credentials = openCredentials({ kubeconfig: opening.kubeconfig });
  if (!credentials.ok) return err({ exit: EXIT.configuration, detail: credentials.error });
  const { server, source } = credentials.value;
  const namespace = opening.namespace ?? credentials.value.namespace;
  opening.log.info("kubernetes", { server, credentials: source, namespace });
  const kubernetes = openKubernetes({
    credentials: credentials.value,
    fieldManager: FIELD_MANAGER,
    userAgent: `outrider-sidecar/${opening.version}`,
  });
  const runtime = await kubernetesRuntime({ ...opening, kubernetes, namespace });
  if (runtime.ok) {
    const wrong = await templateRefusal(opening, kubernetes, namespace);
    return wrong === undefined ? runtime : err({ exit: EXIT.configuration, detail: wrong });
  }
  const exit = runtime.error.code === "refused" ? EXIT.refused : EXIT.unavailable;
  return err({ exit, detail: `RUNTIME=kubernetes: ${runtime.error.detail}` });
}

/** No worker has such a name, because no client id begins with a hyphen. */
const NOBODY = { name: "kg-graph-builder--pod-template", fleet: "", specHash: "" } as const;
const GRACE_MS = 10_000;
/** These answers say nothing about the template: a webhook without dry-run support, a full quota. */
const OF_TEMPLATE = /strict decoding error|cannot be handled|is invalid:/u;

/**
 * Lets the API server validate a worker's Job with the template in a dry run: an unknown field, a wrong
 * type, a mount without its volume. Undefined if it accepts the Job, or gave no verdict.
 */
async function templateRefusal(
  { podTemplate, log, signal, ...settings }: KubernetesOpening,
  kubernetes: Kubernetes,
  namespace: string,
): Promise<string | undefined> {
  if (podTemplate === undefined) return undefined;
  const spec = { ...NOBODY, clientId: v.parse(ClientId, "nobody"), environment: {}, secrets: {} };
  const job = workerJob(spec, { ...settings, graceMs: GRACE_MS }, undefined);
  const tried = await kubernetes.tryJob(namespace, withPodTemplate(job, podTemplate), signal);
  if (tried.ok) return undefined;
  const { code, detail } = tried.error;
  if (code === "invalid" && OF_TEMPLATE.test(detail)) {
    return `WORKER_POD_TEMPLATE: a worker's Job with it is refused: ${detail}`;
  }
  log.warn("WORKER_POD_TEMPLATE could not be validated by a dry run", { error: detail });
  return undefined;
}
