/** The parts of Jobs and pods that the runtime uses, parsed from the API server's objects. Pure. */
import * as v from "valibot";
import { ClientId } from "../../../../shared/protocol/client-id.ts";
import { LABELS, labelValue, MANAGER } from "./manifest.ts";
import { WORKER_CONTAINER } from "./pod-template.ts";

/** Every name of a worker begins with it. */
const NAME_PREFIX = "kg-graph-builder-";

const Time = v.pipe(
  v.string(),
  v.transform((text) => Date.parse(text)),
  v.number(),
);
const Labels = v.optional(v.record(v.string(), v.string()), {});
const Metadata = v.object({
  name: v.string(),
  uid: v.string(),
  creationTimestamp: Time,
  deletionTimestamp: v.optional(v.string()),
  labels: Labels,
  annotations: Labels,
});
const Condition = v.object({
  type: v.string(),
  status: v.string(),
  reason: v.optional(v.string(), ""),
  message: v.optional(v.string(), ""),
});
const Conditions = v.optional(v.nullable(v.array(Condition)), []);

const Job = v.object({
  metadata: Metadata,
  spec: v.object({ suspend: v.optional(v.boolean(), false) }),
  status: v.optional(
    v.object({ conditions: Conditions, startTime: v.optional(v.nullable(v.string())) }),
    {},
  ),
});

export type JobSeen = {
  readonly uid: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly deleting: boolean;
  readonly suspended: boolean;
  /** We have resumed it: our annotation says so, or it has begun. */
  readonly released: boolean;
  readonly finished: boolean;
  /** Undefined: it has a worker's name, but is not ours. */
  readonly owned: Owned | undefined;
};

/** What our labels say, if they also name the object itself. */
export type Owned = {
  readonly clientId: ClientId;
  readonly fleet: string;
  readonly specHash: string;
};

/** Undefined for a Job that is neither ours nor has a worker's name. */
export function readJob(object: unknown): JobSeen | undefined {
  const read = v.safeParse(Job, object);
  if (!read.success) return undefined;
  const { metadata, spec, status } = read.output;
  const owned = ownedOf(metadata, metadata.name);
  if (owned === undefined && !metadata.name.startsWith(NAME_PREFIX)) return undefined;
  return {
    uid: metadata.uid,
    name: metadata.name,
    createdAtMs: metadata.creationTimestamp,
    deleting: metadata.deletionTimestamp !== undefined,
    suspended: spec.suspend,
    released:
      metadata.annotations[LABELS.released] === "true" || typeof status.startTime === "string",
    finished: (status.conditions ?? []).some(
      ({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True",
    ),
    owned,
  };
}

function ownedOf(
  { labels, annotations }: v.InferOutput<typeof Metadata>,
  jobName: string,
): Owned | undefined {
  // A worker of an older control plane has no annotation: its label is the client id.
  const label = labels[LABELS.clientId];
  const clientId = v.safeParse(ClientId, annotations[LABELS.clientId] ?? label);
  const fleet = annotations[LABELS.fleet];
  const specHash = labels[LABELS.specHash];
  if (annotations[LABELS.name] !== jobName) return undefined;
  if (labels[LABELS.managedBy] !== MANAGER || !clientId.success) return undefined;
  if (label !== labelValue(clientId.output)) return undefined;
  if (fleet === undefined || specHash === undefined) return undefined;
  return { clientId: clientId.output, fleet, specHash };
}

const Why = { reason: v.optional(v.string(), ""), message: v.optional(v.string(), "") };
const StartedAt = v.optional(v.nullable(Time));
const ContainerState = v.object({
  waiting: v.optional(v.object(Why)),
  running: v.optional(v.object({ startedAt: StartedAt })),
  terminated: v.optional(v.object({ exitCode: v.number(), startedAt: StartedAt, ...Why })),
});
const Containers = v.optional(
  v.nullable(v.array(v.object({ name: v.string(), state: ContainerState }))),
  [],
);
const Pod = v.object({
  metadata: Metadata,
  status: v.optional(
    v.object({
      phase: v.optional(v.string(), ""),
      ...Why,
      conditions: Conditions,
      /** In the order of their names. */
      containerStatuses: Containers,
      /** Added by WORKER_POD_TEMPLATE or by admission. */
      initContainerStatuses: Containers,
    }),
    {},
  ),
});
type PodRead = v.InferOutput<typeof Pod>;

export type ContainerSeen =
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "running"; readonly startedAtMs: number }
  | {
      readonly kind: "ended";
      readonly startedAtMs: number;
      /** Undefined: its pod ended before the container ran, or its end was not observed. */
      readonly exitCode: number | undefined;
      readonly reason: string;
      readonly message: string;
    };

export type PodSeen = {
  readonly uid: string;
  readonly jobUid: string;
  readonly jobName: string;
  readonly owned: Owned;
  readonly createdAtMs: number;
  readonly deleting: boolean;
  readonly container: ContainerSeen;
};

/** Undefined for a pod without a Job, or of a Job that is not ours. */
export function readPod(object: unknown): PodSeen | undefined {
  const read = v.safeParse(Pod, object);
  if (!read.success) return undefined;
  const { metadata } = read.output;
  const jobUid = metadata.labels["batch.kubernetes.io/controller-uid"];
  const jobName = metadata.labels["batch.kubernetes.io/job-name"];
  if (jobUid === undefined || jobName === undefined) return undefined;
  const owned = ownedOf(metadata, jobName);
  if (owned === undefined) return undefined;
  return {
    uid: metadata.uid,
    jobUid,
    jobName,
    owned,
    createdAtMs: metadata.creationTimestamp,
    deleting: metadata.deletionTimestamp !== undefined,
    container: containerOf(read.output),
  };
}

function containerOf({ metadata, status }: PodRead): ContainerSeen {
  const state = status.containerStatuses?.find(({ name }) => name === WORKER_CONTAINER)?.state;
  const createdAtMs = metadata.creationTimestamp;
  if (state?.terminated !== undefined) {
    const { startedAt, exitCode, reason, message } = state.terminated;
    return { kind: "ended", startedAtMs: startedAt || createdAtMs, exitCode, reason, message };
  }
  // An evicted pod, or one whose node is gone, has no status of its container.
  if (status.phase === "Failed" || status.phase === "Succeeded") {
    const { reason, message } = initProblem(status) ?? status;
    return { kind: "ended", startedAtMs: createdAtMs, exitCode: undefined, reason, message };
  }
  if (state?.running !== undefined) {
    return { kind: "running", startedAtMs: state.running.startedAt ?? createdAtMs };
  }
  const unscheduled = (status.conditions ?? []).find(
    (each) => each.type === "PodScheduled" && each.status === "False",
  );
  const { reason = "", message = "" } = unscheduled ?? initProblem(status) ?? state?.waiting ?? {};
  return { kind: "waiting", reason, message };
}

/** Why the worker's container has not begun: an init container fails or waits. */
function initProblem({ initContainerStatuses }: PodRead["status"]) {
  for (const { name, state } of initContainerStatuses ?? []) {
    const { terminated, waiting } = state;
    if (terminated !== undefined && terminated.exitCode !== 0) {
      const message = `the init container ${name} ended with exit code ${terminated.exitCode}${terminated.message === "" ? "" : `: ${terminated.message}`}`;
      return { reason: terminated.reason, message };
    }
    if (waiting !== undefined && !ORDINARY.includes(waiting.reason)) {
      return { reason: waiting.reason, message: `the init container ${name}: ${waiting.message}` };
    }
  }
  return undefined;
}

/** The reasons to wait that end by themselves. */
const ORDINARY: readonly string[] = ["", "PodInitializing", "ContainerCreating"];

/** Compares only what the runtime uses: nothing else counts as a change. */
export const sameSeen = (one: JobSeen | PodSeen, other: JobSeen | PodSeen): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
