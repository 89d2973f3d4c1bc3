/** Listing: one call for all containers, and an inspection only of those where that does not say enough. */
import { constants } from "node:os";
import { isClientId } from "../../../../shared/protocol/client-id.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import {
  type Foreign,
  type Listing,
  type RuntimeError,
  WORKER_NAME_PREFIX,
  type Worker,
} from "../runtime.ts";
import { type EngineError, runtimeError } from "./call.ts";
import { LABELS } from "./container.ts";
import type { DockerContext } from "./context.ts";
import type { ListedContainer } from "./engine.ts";
import { originalWorker } from "./original.ts";

/** A Go regular expression; the engine matches it against names with and without their slash. */
const NAME_PATTERN = `^/?${WORKER_NAME_PREFIX}`;
const INSPECTIONS_AT_ONCE = 16;
/** No start takes longer than this after the creation; then its creator is gone. */
const CREATED_MS_MAX = 30_000;
const SIGKILLED = 137;
const SIGNAL_BASE = 128;

type Exit = NonNullable<Worker["exit"]>;

export async function listWorkers(
  context: DockerContext,
  signal: AbortSignal,
): Promise<Result<Listing, RuntimeError>> {
  const listed = await context.engine.list(NAME_PATTERN, signal);
  if (!listed.ok) return err(runtimeError(listed.error));
  forgetOthers(context, new Set(listed.value.map(({ Id }) => Id)));
  const ours = listed.value.filter(isOurs);
  const others = listed.value.filter((each) => !isOurs(each));
  const killed = ours.filter((each) => needsLook(context, each));
  const looked = await eachBounded(killed, (each) => lookAtExit(context, each, signal));
  if (!looked.ok) return err(runtimeError(looked.error));
  const foreign: Foreign[] = [];
  const judged = await eachBounded(others, async (each) => {
    const one = await foreignOf(context, each, signal);
    if (one.ok) foreign.push(one.value);
    return one;
  });
  if (!judged.ok) return err(runtimeError(judged.error));
  return ok({ workers: ours.map((each) => workerOf(context, each)), foreign });
}

const nameOf = ({ Names: names }: Pick<ListedContainer, "Names">): string =>
  (names.find((name) => name.startsWith(`/${WORKER_NAME_PREFIX}`)) ?? names[0] ?? "").slice(1);

export const startedAtMs = (createdSeconds: number): number => createdSeconds * 1000;

const isOurs = (container: ListedContainer): boolean =>
  labelsOf(container.Labels, nameOf(container)) !== undefined;

type OurLabels = Pick<Worker, "clientId" | "fleet" | "specHash">;

/** Undefined if it is not ours: a label is missing, or the labels are those of another container. */
export function labelsOf(
  labels: Readonly<Record<string, string>>,
  name: string,
): OurLabels | undefined {
  const clientId = labels[LABELS.clientId] ?? "";
  const fleet = labels[LABELS.fleet];
  const specHash = labels[LABELS.specHash];
  if (fleet === undefined || specHash === undefined || !isClientId(clientId)) return undefined;
  return labels[LABELS.name] === name ? { clientId, fleet, specHash } : undefined;
}

function workerOf(context: DockerContext, container: ListedContainer): Worker {
  const name = nameOf(container);
  const labels = labelsOf(container.Labels, name);
  if (labels === undefined) throw new Error(`${name} is not ours`);
  const base = {
    ...labels,
    name,
    instance: container.Id,
    startedAtMs: startedAtMs(container.Created),
  };
  const state = stateOf(context, container);
  return state === "exited"
    ? { ...base, state, exit: context.exits.get(container.Id) ?? exitOf(container) }
    : { ...base, state, ...(container.State === "paused" ? PAUSED : {}) };
}

const PAUSED = { held: "paused by another" } as const;

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerList */
function stateOf(
  context: DockerContext,
  { Id: id, State: state }: ListedContainer,
): Worker["state"] {
  if (state === "removing") return "stopping";
  if (context.stopping.has(id)) return "stopping";
  if (state === "created") return isBeingStarted(context, id) ? "starting" : "exited";
  const isDead =
    state === "exited" || state === "dead" || (context.died.has(id) && context.exits.has(id));
  if (isDead) return "exited";
  return state === "paused" ? "starting" : "running";
}

/** A container that will not be started any more counts as exited, so that it is removed and created again. */
function isBeingStarted(context: DockerContext, id: string): boolean {
  const nowMs = context.clock.monotonicMs();
  const sinceMs = context.createdSince.get(id) ?? nowMs;
  context.createdSince.set(id, sinceMs);
  return context.starting.has(id) || nowMs - sinceMs < CREATED_MS_MAX;
}

function exitOf({ State: state, Status: status }: ListedContainer): Exit {
  const code = /^Exited \((?<code>\d+)\)/u.exec(status)?.groups?.["code"];
  return state === "exited" && code !== undefined ? exitOfCode(Number(code)) : "unknown";
}

const SIGNALS: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
);

/** As in a shell: 128 plus the signal's number. */
export function exitOfCode(code: number): Exit {
  const signal = SIGNALS.get(code - SIGNAL_BASE);
  return signal === undefined ? code : `signal:${signal}`;
}

/** Only an inspection says who killed it, and whether a container that is listed as running has ended. */
function needsLook(
  { exits, died }: DockerContext,
  { Id: id, State: state, Status: status }: ListedContainer,
) {
  if (state === "running") {
    if (!died.has(id)) exits.delete(id);
    return died.has(id) && !exits.has(id);
  }
  return state === "exited" && status.startsWith(`Exited (${SIGKILLED})`) && !exits.has(id);
}

async function lookAtExit(
  { engine, exits, died }: DockerContext,
  { Id: id }: ListedContainer,
  signal: AbortSignal,
): Promise<Result<null, EngineError>> {
  const seen = await engine.inspect(id, signal);
  if (!seen.ok) return seen.error.code === "not-found" ? ok(null) : seen;
  const { OOMKilled: outOfMemory, ExitCode: code, Running: running } = seen.value.State;
  if (running) died.delete(id);
  else exits.set(id, outOfMemory ? "oom" : exitOfCode(code));
  return ok(null);
}

async function foreignOf(
  context: DockerContext,
  container: ListedContainer,
  signal: AbortSignal,
): Promise<Result<Foreign, EngineError>> {
  const name = nameOf(container);
  const what = `container ${container.Id.slice(0, 12)} of image ${container.Image} has the name ${name} and not our labels`;
  const plain = { name, detail: `${what}: it is never touched; remove or rename it` };
  if (!context.takeOver) return ok(plain);
  const seen = await lookAtStranger(context, container.Id, signal);
  if (!seen.ok) return seen.error.code === "not-found" ? ok(plain) : seen;
  const original = originalWorker({ ...seen.value, Name: `/${name}` }, context.settings.image);
  if (!original.ok) return ok({ name, detail: `${what}: not taken over, ${original.error}` });
  const state = stateOf(context, container);
  const takeOver = {
    ...original.value,
    state,
    startedAtMs: startedAtMs(container.Created),
  };
  return ok({ name, detail: `${what}: made by the original, to be taken over`, takeOver });
}

async function lookAtStranger(
  { engine, strangers }: DockerContext,
  id: string,
  signal: AbortSignal,
) {
  const known = strangers.get(id);
  if (known !== undefined) return ok(known);
  const seen = await engine.inspect(id, signal);
  if (seen.ok) strangers.set(id, seen.value);
  return seen;
}

function forgetOthers(context: DockerContext, ids: ReadonlySet<string>): void {
  for (const map of [context.createdSince, context.exits, context.strangers]) {
    for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
  }
  for (const id of context.died) if (!ids.has(id)) context.died.delete(id);
}

/** Ends with the first error. */
async function eachBounded<T>(
  items: readonly T[],
  act: (item: T) => Promise<Result<unknown, EngineError>>,
): Promise<Result<null, EngineError>> {
  const queue = [...items];
  let failed: EngineError | undefined;
  const work = async () => {
    for (
      let next = queue.shift();
      next !== undefined && failed === undefined;
      next = queue.shift()
    ) {
      const done = await act(next);
      if (!done.ok) failed = done.error;
    }
  };
  await Promise.all(Array.from({ length: INSPECTIONS_AT_ONCE }, work));
  return failed === undefined ? ok(null) : err(failed);
}
