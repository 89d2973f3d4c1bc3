/** From Jobs and their pods to workers. Pure. */
import { constants } from "node:os";
import type { Foreign, Listing, Worker } from "../runtime.ts";
import type { ContainerSeen, JobSeen, PodSeen } from "./observed.ts";

/** A shell's exit code for the end by a signal is this plus the signal's number. */
const SIGNAL_BASE = 128;

export type Seen = {
  readonly jobs: ReadonlyMap<string, JobSeen>;
  readonly pods: ReadonlyMap<string, PodSeen>;
  /** Whether a start of this name is under way in this process. */
  readonly isStarting: (name: string) => boolean;
};

export function listingOf(seen: Seen, namespace: string): Listing {
  const podsOf = Map.groupBy(seen.pods.values(), (pod) => pod.jobUid);
  const workers: Worker[] = [];
  const foreign: Foreign[] = [];
  for (const job of seen.jobs.values()) {
    const worker = workerOf(job, podsOf.get(job.uid) ?? [], seen.isStarting(job.name));
    if (worker === undefined) foreign.push(foreignOf(job, namespace));
    else workers.push(worker);
  }
  for (const [uid, [pod]] of podsOf) {
    if (!seen.jobs.has(uid) && pod !== undefined) workers.push(...leftBehind(pod));
  }
  return { workers, foreign };
}

/** Somebody deleted its Job, but it runs until its grace period ends: no second worker may start yet. */
function leftBehind({ container, createdAtMs, jobName, jobUid, owned }: PodSeen): Worker[] {
  if (container.kind === "ended") return [];
  const startedAtMs = container.kind === "running" ? container.startedAtMs : createdAtMs;
  return [{ ...owned, name: jobName, instance: jobUid, state: "stopping", startedAtMs }];
}

const foreignOf = ({ name }: JobSeen, namespace: string): Foreign => ({
  name,
  detail: `the Job ${namespace}/${name} is not labelled as ours: it is left alone, and no worker of this name can be started`,
});

/** Undefined for a Job that is not ours. */
export function workerOf(
  job: JobSeen,
  pods: readonly PodSeen[],
  isStarting: boolean,
): Worker | undefined {
  if (job.owned === undefined) return undefined;
  const pod = newest(pods);
  const container = pod?.container;
  const startedAtMs =
    container === undefined || container.kind === "waiting"
      ? job.createdAtMs
      : container.startedAtMs;
  const state = stateOf(job, pod, isStarting);
  return {
    ...job.owned,
    name: job.name,
    instance: job.uid,
    state,
    startedAtMs,
    ...(state === "exited" ? { exit: exitOf(container) } : {}),
    ...(state === "starting" && isHeld(job) ? { held: "suspended by another" } : {}),
  };
}

/** Its pod is removed, but that is no exit: it waits until it is resumed. */
const isHeld = ({ suspended, released, finished }: JobSeen): boolean =>
  suspended && released && !finished;

function stateOf(job: JobSeen, pod: PodSeen | undefined, isStarting: boolean): Worker["state"] {
  if (job.deleting) return "stopping";
  if (isHeld(job)) return "starting";
  const container = pod?.container;
  if (container?.kind === "ended") return "exited";
  if (pod?.deleting === true) return "stopping";
  if (container?.kind === "running") return "running";
  // It will not be resumed: its start was cut off before its Secret was created.
  if (job.finished || (job.suspended && !isStarting)) return "exited";
  return "starting";
}

const newest = (pods: readonly PodSeen[]): PodSeen | undefined =>
  pods.reduce<PodSeen | undefined>(
    (best, pod) => (best === undefined || pod.createdAtMs >= best.createdAtMs ? pod : best),
    undefined,
  );

function exitOf(container: ContainerSeen | undefined): NonNullable<Worker["exit"]> {
  if (container?.kind !== "ended" || container.exitCode === undefined) return "unknown";
  const { exitCode, reason } = container;
  if (reason === "OOMKilled") return "oom";
  const signal = Object.entries(constants.signals).find(
    ([, number]) => number === exitCode - SIGNAL_BASE,
  );
  return signal === undefined ? exitCode : `signal:${signal[0]}`;
}
