/**
 * Stops one container by its id: its stop signal, a kill after the grace period, then removal. It is done
 * only when the engine no longer knows the container. Right before, the container must still be the one
 * that the plan meant.
 */
import { sleep } from "../../../../shared/clock.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker } from "../runtime.ts";
import { type EngineError, runtimeError } from "./call.ts";
import type { DockerContext } from "./context.ts";
import type { Inspected } from "./engine.ts";
import { labelsOf } from "./list.ts";
import { originalWorker } from "./original.ts";

/** After its end; a container that an engine has not removed by then is stuck. */
const REMOVE_MS_MAX = 30_000;
const POLL_MS_MIN = 20;
const POLL_MS_MAX = 500;

export async function stopWorker(
  context: DockerContext,
  worker: Worker,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const { engine, stopping } = context;
  const id = worker.instance;
  const seen = await engine.inspect(id, signal);
  if (!seen.ok) return err(runtimeError(seen.error));
  if (!isMeant(context, seen.value, worker)) {
    const detail = `container ${id} is not ${worker.name} of cluster ${worker.clientId}; it is left alone`;
    return err({ code: "not-found", retry: "terminal", detail });
  }
  stopping.add(id);
  try {
    const ended = await end(context, seen.value, signal);
    if (!ended.ok) return gone(ended.error) ?? err(runtimeError(ended.error));
    return await remove(context, worker, signal);
  } finally {
    stopping.delete(id);
  }
}

/** An id is never reused, and labels never change; a name may. */
function isMeant(context: DockerContext, container: Inspected, worker: Worker): boolean {
  const name = container.Name.replace(/^\//u, "");
  if (container.Id !== worker.instance || name !== worker.name) return false;
  const labels = labelsOf(container.Config.Labels, name);
  if (labels !== undefined) {
    return labels.clientId === worker.clientId && labels.fleet === worker.fleet;
  }
  if (!context.takeOver) return false;
  const original = originalWorker(container, context.settings.image);
  return original.ok && original.value.clientId === worker.clientId;
}

const gone = ({ code }: EngineError): Result<null, never> | undefined =>
  code === "not-found" ? ok(null) : undefined;

async function end(
  { engine, graceSeconds }: DockerContext,
  container: Inspected,
  signal: AbortSignal,
): Promise<Result<null, EngineError>> {
  if (container.State.Paused) {
    // A paused container cannot end by itself, and on some engines cannot be stopped.
    const unpaused = await engine.unpause(container.Id, signal);
    if (!unpaused.ok && unpaused.error.code === "timeout") return unpaused;
  }
  return await engine.stop(container.Id, graceSeconds, signal);
}

async function remove(
  context: DockerContext,
  { name, instance: id }: Worker,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const beganMs = context.clock.monotonicMs();
  for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(2 * pollMs, POLL_MS_MAX)) {
    const left = await removeOnce(context, id, signal);
    if (!left.ok) return err(runtimeError(left.error));
    if (left.value === undefined) return ok(null);
    if (context.clock.monotonicMs() - beganMs > REMOVE_MS_MAX) {
      const detail = `${name} (container ${id}) is still there ${REMOVE_MS_MAX} ms after its end: ${left.value}`;
      return err({ code: "timeout", retry: "transient", detail });
    }
    await sleep(pollMs, signal);
  }
}

/** Undefined when the engine no longer knows it; else why it is still there. */
async function removeOnce(
  { engine }: DockerContext,
  id: string,
  signal: AbortSignal,
): Promise<Result<string | undefined, EngineError>> {
  const removed = await engine.remove(id, signal);
  if (!removed.ok && removed.error.code === "not-found") return ok(undefined);
  if (!removed.ok && removed.error.code !== "conflict") return removed;
  const seen = await engine.inspect(id, signal);
  if (seen.ok) return ok(removed.ok ? "it was removed, and is listed" : removed.error.detail);
  return seen.error.code === "not-found" ? ok(undefined) : seen;
}
