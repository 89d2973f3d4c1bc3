/**
 * Whether this API server has a resource. A 404 of a list does not show that: the resource may still be
 * being registered.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { type KubernetesError, readStatus, statusError, transportError } from "./error.ts";
import type { Resource } from "./resource.ts";
import type { Transport } from "./transport.ts";

const ASK_MS_MAX = 10_000;
const NOT_FOUND = 404;

const Resources = v.object({ resources: v.array(v.object({ name: v.string() })) });

/** https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api */
export async function discover(
  transport: Transport,
  { group, version, plural }: Resource,
  signal: AbortSignal,
): Promise<Result<boolean, KubernetesError>> {
  const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const asked = { verb: "get", resource: path };
  try {
    const response = await transport.send({
      method: "GET",
      path,
      headers: { accept: "application/json" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS_MAX)]),
    });
    if (response.status === NOT_FOUND) {
      await response.text();
      return ok(false);
    }
    const body: unknown = await response.json();
    if (!response.ok) return err(statusError(asked, response.status, readStatus(body)));
    return ok(v.parse(Resources, body).resources.some(({ name }) => name === plural));
  } catch (cause) {
    return err(transportError(asked, transport.server, cause));
  }
}
