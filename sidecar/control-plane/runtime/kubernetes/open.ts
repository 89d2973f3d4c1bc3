/** From the configuration to the kubernetes runtime. Loaded only when it is chosen: the package is large. */
import { EXIT, type ExitCode } from "../../../../shared/exit.ts";
import { openCredentials } from "../../../../shared/kubernetes/credentials.ts";
import { openKubernetes } from "../../../../shared/kubernetes/kubernetes.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, type Result } from "../../../../shared/result.ts";
import type { Runtime } from "../runtime.ts";
import type { WorkerSettings } from "./manifest.ts";
import { kubernetesRuntime } from "./runtime.ts";

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

/** What the program ends with, and the variable or the permission that is to be changed. */
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
  if (runtime.ok) return runtime;
  const exit = runtime.error.code === "refused" ? EXIT.refused : EXIT.unavailable;
  return err({ exit, detail: `RUNTIME=kubernetes: ${runtime.error.detail}` });
}
