/** The uid of a namespace. That of kube-system is the cluster's identity: it exists as long as the cluster. */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { type KubernetesError, readStatus, statusError, transportError } from "./error.ts";
import type { Transport } from "./transport.ts";

const ASK_MS_MAX = 10_000;
export const CLUSTER_NAMESPACE = "kube-system";

const Namespace = v.object({ metadata: v.object({ uid: v.string() }) });

/** Needs `get` on that one namespace. */
export async function namespaceUid(
  transport: Transport,
  name: string,
  signal: AbortSignal,
): Promise<Result<string, KubernetesError>> {
  const asked = { verb: "get", resource: `namespaces ${name}` };
  try {
    const response = await transport.send({
      method: "GET",
      path: `/api/v1/namespaces/${encodeURIComponent(name)}`,
      headers: { accept: "application/json" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS_MAX)]),
    });
    const body: unknown = await response.json();
    if (!response.ok) return err(statusError(asked, response.status, readStatus(body)));
    return ok(v.parse(Namespace, body).metadata.uid);
  } catch (cause) {
    return err(transportError(asked, transport.server, cause));
  }
}
