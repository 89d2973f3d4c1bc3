/** From the configuration to the kubernetes runtime. Loaded only when it is chosen: the package is large. */
import { openCredentials } from "../../shared/kubernetes/credentials.ts";
import { openKubernetes } from "../../shared/kubernetes/kubernetes.ts";
import type { Log } from "../../shared/log.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { kubernetesRuntime } from "./kubernetes.ts";
import type { WorkerSettings } from "./kubernetes-manifest.ts";
import type { Runtime } from "./runtime.ts";

const FIELD_MANAGER = "outrider-control-plane";

export type KubernetesOpening = Omit<WorkerSettings, "graceMs"> & {
  /** KUBECONFIG. */
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
  readonly version: string;
  readonly log: Log;
  readonly random: () => number;
  readonly signal: AbortSignal;
};

/** An error names the variable or the permission that is to be changed. */
export async function openKubernetesRuntime(
  opening: KubernetesOpening,
): Promise<Result<Runtime, string>> {
  const credentials = openCredentials({ kubeconfig: opening.kubeconfig });
  if (!credentials.ok) return credentials;
  const { server, source } = credentials.value;
  const namespace = opening.namespace ?? credentials.value.namespace;
  opening.log.info("kubernetes", { server, credentials: source, namespace });
  const kubernetes = openKubernetes({
    credentials: credentials.value,
    fieldManager: FIELD_MANAGER,
    userAgent: `outrider-sidecar/${opening.version}`,
  });
  const runtime = await kubernetesRuntime({ ...opening, kubernetes, namespace });
  return runtime.ok ? ok(runtime.value) : err(`RUNTIME=kubernetes: ${runtime.error.detail}`);
}
