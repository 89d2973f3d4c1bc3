/**
 * Stops one incarnation: its Job is deleted by uid, in the foreground, so that it stays until its pods are
 * gone; the kubelet gives them their grace period. Right before, the Job must still be the one that the
 * plan meant. The watch confirms the end, not the answer.
 */
import { err, ok, type Result } from "../../../../shared/result.ts";
import type { RuntimeError, Worker } from "../runtime.ts";
import { fail, type KubernetesContext, runtimeError, whenSeen } from "./context.ts";
import type { JobSeen } from "./observed.ts";

/** Added to the grace period: time for the kubelet, the garbage collector and the Job controller. */
const GONE_MS_MAX = 60_000;

export async function stopWorker(
  context: KubernetesContext,
  worker: Worker,
  signal: AbortSignal,
): Promise<Result<null, RuntimeError>> {
  const { kubernetes, namespace, settings, jobs } = context;
  const { name, instance: uid } = worker;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(settings.graceMs + GONE_MS_MAX)]);
  const held = jobs.held().get(uid);
  if (held !== undefined && !isMeant(held, worker)) return notFound(worker);
  const deleted = await kubernetes.deleteJob({ namespace, name, uid }, "Foreground", bounded);
  const wasThere = deleted.ok;
  if (!deleted.ok && deleted.error.code !== "not-found" && deleted.error.code !== "conflict") {
    return err(runtimeError(deleted.error));
  }
  const isGone = () => {
    const rest = wasThere ? jobs.held().has(uid) : false;
    return !rest && context.podsOf(uid).length === 0 ? true : undefined;
  };
  const alreadyGone = isGone() === true;
  const gone = await whenSeen(context, isGone, bounded);
  if (gone === undefined) {
    const detail = `${name} (Job ${uid}) was asked to end and is not gone yet: ${whyNot(context, uid)}; stop it again`;
    return fail("timeout", "transient", detail);
  }
  if (!wasThere && alreadyGone) return notFound(worker);
  context.log.info("worker stopped", { client_id: worker.clientId, job: name, uid });
  return ok(null);
}

/** A uid is never reused; labels and annotations may change. */
const isMeant = ({ name, owned }: JobSeen, worker: Worker): boolean =>
  name === worker.name && owned?.clientId === worker.clientId && owned.fleet === worker.fleet;

const notFound = ({ name, instance }: Worker): Result<never, RuntimeError> =>
  fail("not-found", "terminal", `${name} is not instance ${instance} any more`);

function whyNot(context: KubernetesContext, uid: string): string {
  const pods = context.podsOf(uid);
  if (pods.length === 0) return "its pods are gone, and its Job is held by a finalizer";
  return pods.every(({ deleting }) => deleting)
    ? "the kubelet of its pod has not confirmed its end; look at the node"
    : "its pod was not asked to end; look at the controller manager";
}
