/**
 * Stops one incarnation: SIGTERM to its group, SIGKILL after the grace period. Its name is free only when
 * no process of the group is left. The target of a signal is checked right before it is sent.
 */
import { sleep } from "../../../../shared/clock.ts";
import { errnoOf } from "../../../../shared/linux/errno.ts";
import { readStat } from "../../../../shared/linux/proc-stat.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker } from "../runtime.ts";
import type { ProcessContext } from "./context.ts";
import { fail } from "./error.ts";
import { removeFile } from "./exit.ts";
import { type ProcessId, readWorkerFile, type WorkerFile } from "./name-file.ts";
import { numberInUse, processLives, readGroups, readToken } from "./proc-table.ts";
import { resolveLocked } from "./recover.ts";

const POLL_MS_MIN = 10;
const POLL_MS_MAX = 100;
/** SIGKILL cannot be ignored, but a process in an uninterruptible wait (a dead disk) outlives it. */
const KILL_MS_MAX = 10_000;
/** One scan of /proc serves all stops within this time. */
const GROUPS_AGE_MS_MAX = 50;

export type Stop = (worker: Worker, signal: AbortSignal) => Promise<Result<null, RuntimeError>>;

export function stopper(context: ProcessContext): Stop {
  let groups = readGroups();
  let readAtMs = Number.NEGATIVE_INFINITY;
  const membersOf = (group: number): readonly number[] => {
    if (context.clock.monotonicMs() - readAtMs > GROUPS_AGE_MS_MAX) {
      groups = readGroups();
      readAtMs = context.clock.monotonicMs();
    }
    return groups.get(group) ?? [];
  };
  return async (worker, signal) => {
    const found = await find(context, worker, signal);
    if (!found.ok) return found;
    const { header, process } = found.value;
    if (process?.bootId === context.bootId) {
      const gone = await end(context, { worker, process, membersOf }, signal);
      if (!gone.ok) return gone;
    }
    const removed = await removeFile(context, worker.name, header.token, signal);
    if (!removed.ok) return removed;
    context.terminated.delete(header.token);
    context.children.delete(header.token);
    context.adopted.delete(header.token);
    context.log.info("worker stopped", { client_id: worker.clientId, pid: process?.pid });
    return removed;
  };
}

async function find(
  context: ProcessContext,
  { name, instance }: Worker,
  signal: AbortSignal,
): Promise<Result<WorkerFile, RuntimeError>> {
  const seen = readWorkerFile(context.workers, name);
  if (!seen.ok) return seen;
  const gone = fail("not-found", "terminal", `${name} is not instance ${instance} any more`);
  if (seen.value.kind === "debris") {
    return fail(
      "unavailable",
      "transient",
      `${name} cannot be identified: its file has become empty`,
    );
  }
  if (seen.value.kind !== "worker" || seen.value.file.header.token !== instance) return gone;
  if (seen.value.file.process !== undefined) return ok(seen.value.file);
  const held = await context.lock.hold(() => resolveLocked(context, [name]).get(name), signal);
  if (!held.ok) return held;
  if (held.value === undefined || held.value.kind === "free") return gone;
  if (held.value.kind === "held" || held.value.file.header.token !== instance) return gone;
  if (held.value.kind === "process") return ok(held.value.file);
  const detail = `${name} may be a start in flight; try again`;
  return fail("unavailable", "transient", detail);
}

type Target = {
  readonly worker: Worker;
  readonly process: ProcessId;
  readonly membersOf: (group: number) => readonly number[];
};

/** Resolves when no process of the group is left. */
async function end(
  context: ProcessContext,
  target: Target,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const { worker, process } = target;
  const exited = context.children.get(worker.instance)?.exited;
  let wasAlive = false;
  let pollMs = POLL_MS_MIN;
  let killedAtMs = Number.POSITIVE_INFINITY;
  for (;;) {
    const alive = processLives(process, context.bootId);
    wasAlive ||= alive;
    if (!alive && !groupLives(target, wasAlive)) return ok(null);
    const nowMs = context.clock.monotonicMs();
    const step = nextStep(context, worker.instance, nowMs);
    if (step === "SIGKILL") killedAtMs = Math.min(killedAtMs, nowMs);
    const refused = step && signalGroup(process.pid, step, worker.name);
    const failed = refused ?? giveUp(target, nowMs - killedAtMs, signal);
    if (failed !== undefined) return err(failed);
    await Promise.race([sleep(pollMs, signal), ...(alive && exited ? [exited] : [])]);
    pollMs = Math.min(pollMs * 2, POLL_MS_MAX);
  }
}

function giveUp(
  { worker, process }: Target,
  sinceKillMs: number,
  signal: AbortSignal,
): RuntimeError | undefined {
  const who = `${worker.name} (pid ${process.pid})`;
  if (sinceKillMs > KILL_MS_MAX) {
    const detail = `${who} is there ${KILL_MS_MAX} ms after SIGKILL; look for a hung disk`;
    return { code: "timeout", retry: "transient", detail };
  }
  if (!signal.aborted) return undefined;
  const detail = `${who} was asked to end and was still there when the time was up; stop it again`;
  return { code: "timeout", retry: "transient", detail };
}

function nextStep(
  context: ProcessContext,
  token: string,
  nowMs: number,
): "SIGTERM" | "SIGKILL" | undefined {
  const since = context.terminated.get(token);
  if (since === undefined) {
    context.terminated.set(token, nowMs);
    return "SIGTERM";
  }
  return nowMs - since >= context.graceMs ? "SIGKILL" : undefined;
}

/**
 * Whether a process of the group is left although its leader is gone. The id of a group with members is not
 * reused, but one without members may be. So unless we saw the leader alive, a member must have the token.
 */
function groupLives({ worker, process, membersOf }: Target, wasAlive: boolean): boolean {
  // A negative number means the group.
  if (!numberInUse(-process.pid)) return false;
  const holder = readStat(process.pid);
  if (
    holder !== undefined &&
    holder.startTicks !== process.startTicks &&
    process.startTicks !== 0
  ) {
    return false;
  }
  const members = membersOf(process.pid);
  return wasAlive
    ? members.length > 0
    : members.some((member) => readToken(member) === worker.instance);
}

function signalGroup(
  group: number,
  name: "SIGTERM" | "SIGKILL",
  worker: string,
): RuntimeError | undefined {
  try {
    globalThis.process.kill(-group, name);
    return undefined;
  } catch (cause) {
    if (errnoOf(cause) === "ESRCH") return undefined;
    const detail = `${name} to ${worker} (group ${group}) failed: ${errnoOf(cause)}; does it run as another user?`;
    return { code: "refused", retry: "terminal", detail };
  }
}
