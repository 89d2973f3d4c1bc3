/**
 * Starts a worker. Its Job is created, never applied, so that a taken name is an error and no existing Job
 * is taken over. If the worker has a Secret of its own, that is created next, owned by the Job, and only
 * then the Job is resumed. A kill in between leaves a suspended Job, with its Secret; the listing shows it
 * as exited.
 */
import { randomBytes } from "node:crypto";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker, WorkerSpec } from "../runtime.ts";
import { fail, type KubernetesContext, runtimeError, whenSeen } from "./context.ts";
import { resumedJob, workerJob, workerSecret } from "./manifest.ts";
import type { ContainerSeen, JobSeen } from "./observed.ts";
import { withPodTemplate } from "./pod-merge.ts";
import { WORKER_CONTAINER } from "./pod-template.ts";
import { workerOf } from "./worker.ts";

/** The kubelet checks its containers once a second, so it reports an exit right after the start within this time. */
const CONFIRM_MS = 1_200;
/** If a Job has no pod for longer than this, an event says why. */
const POD_MS_MAX = 2_000;
const REMOVE_MS_MAX = 10_000;
const SECRET_SUFFIX_BYTES = 4;
/** The reasons to wait that do not end by themselves: we give up and try again. */
const NO_IMAGE: readonly string[] = [
  ...["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"],
  ...["ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"],
];
/** A busy kubelet also reports CreateContainerConfigError when it could not read a Secret in time. */
const ABSENT = /not found|couldn't find/u;

type Started = Result<Worker, RuntimeError>;

export async function startWorker(
  context: KubernetesContext,
  spec: WorkerSpec,
  signal: AbortSignal,
): Promise<Started> {
  const { starting, startMsMax } = context;
  if (signal.aborted) return fail("timeout", "transient", `${spec.name} was not started: too late`);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(startMsMax)]);
  starting.set(spec.name, (starting.get(spec.name) ?? 0) + 1);
  try {
    const made = await make(context, spec, bounded);
    return made.ok ? await untilRuns(context, spec, made.value, bounded) : made;
  } finally {
    const left = (starting.get(spec.name) ?? 1) - 1;
    if (left > 0) starting.set(spec.name, left);
    else starting.delete(spec.name);
  }
}

/** The Job's uid, once it may begin. */
async function make(
  context: KubernetesContext,
  spec: WorkerSpec,
  signal: AbortSignal,
): Promise<Result<string, RuntimeError>> {
  const { kubernetes, namespace, settings } = context;
  const contents = Object.keys({ ...spec.secrets, ...spec.files });
  const ownSecret = settings.secretName === undefined && contents.length > 0;
  const secretName = ownSecret ? secretNameOf(spec) : undefined;
  const job = withPodTemplate(workerJob(spec, settings, secretName), settings.podTemplate);
  const created = await kubernetes.createJob(namespace, job, signal);
  if (!created.ok) return err(runtimeError(created.error));
  const uid = created.value;
  if (secretName === undefined) return ok(uid);
  const secret = workerSecret(spec, secretName, uid);
  const kept = await kubernetes.createSecret(namespace, secret, signal);
  const resumed = kept.ok
    ? await kubernetes.applyJob(namespace, resumedJob(spec.name, uid), signal)
    : kept;
  if (resumed.ok) return ok(uid);
  await remove(context, spec.name, uid);
  return err(runtimeError(resumed.error));
}

const secretNameOf = ({ name }: WorkerSpec): string =>
  `${name}-${randomBytes(SECRET_SUFFIX_BYTES).toString("hex")}`;

/** It has not run, so nothing is lost; its name is free at once. */
async function remove(
  { kubernetes, namespace, log }: KubernetesContext,
  name: string,
  uid: string,
): Promise<void> {
  const signal = AbortSignal.timeout(REMOVE_MS_MAX);
  const removed = await kubernetes.deleteJob({ namespace, name, uid }, "Background", signal);
  if (removed.ok || removed.error.code === "not-found") return;
  log.warn("a Job that did not start was not removed", { name, error: removed.error.detail });
}

async function untilRuns(
  context: KubernetesContext,
  spec: WorkerSpec,
  uid: string,
  signal: AbortSignal,
): Promise<Started> {
  const began = await settledContainer(context, uid, signal);
  switch (began.kind) {
    case "gone":
      return fail(
        "refused",
        "transient",
        `${spec.name}: somebody removed its Job while it started`,
      );
    case "late": {
      const detail = `${spec.name} does not run yet: ${began.why}; its Job is left to Kubernetes, which goes on trying`;
      return fail("timeout", "transient", detail);
    }
    case "hopeless": {
      await remove(context, spec.name, uid);
      return fail(began.code, "transient", `${spec.name} cannot run: ${began.why}`);
    }
    case "ended":
      return endedAtOnce(spec, uid, began);
    case "running":
      break;
  }
  const confirm = AbortSignal.any([signal, AbortSignal.timeout(CONFIRM_MS)]);
  const ended = await whenSeen(context, () => endOf(context, uid), confirm);
  if (ended !== undefined) return endedAtOnce(spec, uid, ended);
  return runningWorker(context, spec, uid);
}

function runningWorker(context: KubernetesContext, spec: WorkerSpec, uid: string): Started {
  const job = context.jobs.held().get(uid);
  const worker = job && workerOf(job, context.podsOf(uid), true);
  if (worker !== undefined) {
    context.log.info("worker started", { client_id: spec.clientId, job: spec.name, uid });
    return ok(worker);
  }
  return fail("refused", "transient", `${spec.name}: somebody removed its Job while it started`);
}

type Ended = Extract<ContainerSeen, { kind: "ended" }>;

const containersOf = (context: KubernetesContext, uid: string): readonly ContainerSeen[] =>
  context.podsOf(uid).map(({ container }) => container);

const endOf = (context: KubernetesContext, uid: string): Ended | undefined =>
  containersOf(context, uid).find((container) => container.kind === "ended");

function endedAtOnce(
  { name }: WorkerSpec,
  instance: string,
  { exitCode, reason, message }: Ended,
): Result<never, RuntimeError> {
  const why = [reason, message].filter((text) => text !== "").join(": ");
  const how = exitCode === undefined ? "without an exit code" : `with exit code ${exitCode}`;
  const detail = `${name} ended ${how} right after its start (${why || "no reason given"}); its output: kubectl logs job/${name} -c ${WORKER_CONTAINER}`;
  return err({ code: "ended", retry: "transient", detail, instance });
}

type Settled =
  | { readonly kind: "running" | "gone" }
  | { readonly kind: "late"; readonly why: string }
  | { readonly kind: "hopeless"; readonly code: "refused" | "no-image"; readonly why: string }
  | Ended;

const hopeless = (code: "refused" | "no-image", why: string): Settled => ({
  kind: "hopeless",
  code,
  why,
});

/** Waits until it is known whether the container runs. */
async function settledContainer(
  context: KubernetesContext,
  uid: string,
  signal: AbortSignal,
): Promise<Settled> {
  let job: JobSeen | undefined;
  const look = (): Settled | undefined => {
    const held = context.jobs.held().get(uid);
    if (held === undefined && job !== undefined) return { kind: "gone" };
    job = held;
    return held === undefined ? undefined : settled(containersOf(context, uid));
  };
  while (!signal.aborted) {
    const turn = AbortSignal.any([signal, AbortSignal.timeout(POD_MS_MAX)]);
    const found = await whenSeen(context, look, turn);
    if (found !== undefined) return found;
    if (signal.aborted || context.podsOf(uid).length > 0) continue;
    const why = await whyNoPod(context, uid, signal);
    if (why !== undefined) return hopeless("refused", why);
  }
  return { kind: "late", why: whyWaiting(containersOf(context, uid)) };
}

function settled(containers: readonly ContainerSeen[]): Settled | undefined {
  for (const container of containers) {
    if (container.kind === "ended") return container;
    if (container.kind === "running") return { kind: "running" };
    const { reason, message } = container;
    const isAbsent = reason === "CreateContainerConfigError" && ABSENT.test(message);
    if (isAbsent || NO_IMAGE.includes(reason))
      return hopeless(NO_IMAGE.includes(reason) ? "no-image" : "refused", `${reason}: ${message}`);
  }
  return undefined;
}

function whyWaiting(containers: readonly ContainerSeen[]): string {
  const waiting = containers.find((container) => container.kind === "waiting");
  if (waiting === undefined) return "it has no pod";
  return [waiting.reason, waiting.message].filter((text) => text !== "").join(": ") || "no reason";
}

/** A quota or Pod Security: the Job controller retries for ever, and reports that only in an event. */
async function whyNoPod(
  { kubernetes, namespace, log }: KubernetesContext,
  uid: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const events = await kubernetes.eventsOf(namespace, uid, signal);
  if (!events.ok) {
    log.warn("why a worker has no pod is not known", { error: events.error.detail });
    return undefined;
  }
  return events.value.find(({ reason }) => reason === "FailedCreate")?.message;
}
