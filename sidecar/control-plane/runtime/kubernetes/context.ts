/** What the parts of the kubernetes runtime share, and its error texts. */
import type { KubernetesError } from "../../../../shared/kubernetes/error.ts";
import type { Informer } from "../../../../shared/kubernetes/informer.ts";
import type { Kubernetes } from "../../../../shared/kubernetes/kubernetes.ts";
import type { Log } from "../../../../shared/log.ts";
import { err, type Result } from "../../../../shared/result.ts";
import type { RuntimeError } from "../runtime.ts";
import type { WorkerSettings } from "./manifest.ts";
import type { JobSeen, PodSeen } from "./observed.ts";

export type KubernetesContext = {
  readonly kubernetes: Kubernetes;
  readonly namespace: string;
  readonly settings: WorkerSettings;
  readonly jobs: Informer<JobSeen>;
  readonly pods: Informer<PodSeen>;
  readonly podsOf: (jobUid: string) => readonly PodSeen[];
  /** Names whose start is under way, and how often. */
  readonly starting: Map<string, number>;
  readonly startMsMax: number;
  readonly log: Log;
};

const CODES = {
  unauthorized: "refused",
  forbidden: "refused",
  refused: "refused",
  invalid: "invalid-spec",
  // When something is created, "not found" means the namespace.
  "not-found": "refused",
  "already-exists": "name-taken",
  conflict: "unavailable",
  expired: "unavailable",
  unavailable: "unavailable",
  timeout: "timeout",
} as const satisfies Record<KubernetesError["code"], RuntimeError["code"]>;

export const runtimeError = ({ code, retry, detail }: KubernetesError): RuntimeError => ({
  code: CODES[code],
  retry,
  detail,
});

export function fail(
  code: RuntimeError["code"],
  retry: RuntimeError["retry"],
  detail: string,
): Result<never, RuntimeError> {
  return err({ code, retry, detail });
}

/** Looks now and at each change, until there is a result or the signal aborts. */
export async function whenSeen<T>(
  { jobs, pods }: KubernetesContext,
  look: () => T | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>();
  const onChange = () => {
    const found = look();
    if (found !== undefined || signal.aborted) resolve(found);
  };
  const leave = [jobs.onChange(onChange), pods.onChange(onChange)];
  signal.addEventListener("abort", onChange, { once: true });
  onChange();
  const found = await promise;
  for (const each of leave) each();
  signal.removeEventListener("abort", onChange);
  return found;
}

/** Pods by the uid of their Job; computed once after each change, however often it is used. */
export function podIndex(pods: Informer<PodSeen>): (jobUid: string) => readonly PodSeen[] {
  let index: ReadonlyMap<string, readonly PodSeen[]> | undefined;
  pods.onChange(() => {
    index = undefined;
  });
  return (jobUid) => {
    index ??= Map.groupBy(pods.held().values(), (pod) => pod.jobUid);
    return index.get(jobUid) ?? [];
  };
}
