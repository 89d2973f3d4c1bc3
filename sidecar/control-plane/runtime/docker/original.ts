/**
 * Recognises a container that the original control plane made for a cluster. Pure. Such a container has no
 * labels, so everything else must agree: name, CLIENT_ID, KAFKA_GROUP and image repository
 * (docs/decision/0013-docker-by-dockerode.md).
 */
import { groupOf, isClientId } from "../../../../shared/protocol/client-id.ts";
import { err, ok, type Result } from "../../../../shared/result.ts";
import { WORKER_NAME_PREFIX, type Worker } from "../runtime.ts";
import { LABELS } from "./container.ts";
import type { Inspected } from "./engine.ts";

/** Stands for its missing fleet and spec hash; no worker has these values. */
const NONE = "";

/** The error says what does not agree. */
export function originalWorker(
  container: Inspected,
  image: string,
): Result<Pick<Worker, "clientId" | "name" | "fleet" | "specHash" | "instance">, string> {
  const name = container.Name.replace(/^\//u, "");
  const clientId = variableOf(container, "CLIENT_ID") ?? "";
  const group = variableOf(container, "KAFKA_GROUP");
  if (Object.values(LABELS).some((label) => label in container.Config.Labels)) {
    return err("it carries labels of Outrider");
  }
  if (!isClientId(clientId) || name !== `${WORKER_NAME_PREFIX}${clientId}`) {
    return err(`its CLIENT_ID is ${JSON.stringify(clientId)}`);
  }
  if (group !== groupOf(clientId)) return err(`its KAFKA_GROUP is ${JSON.stringify(group ?? "")}`);
  if (repositoryOf(container.Config.Image) !== repositoryOf(image)) {
    return err(`its image is not of ${repositoryOf(image)}, as GRAPH_BUILDER_IMAGE is`);
  }
  return ok({ clientId, name, fleet: NONE, specHash: NONE, instance: container.Id });
}

function variableOf({ Config: { Env: variables } }: Inspected, name: string): string | undefined {
  return variables.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The repository without tag and digest, and without the default prefixes that the engine adds. */
export function repositoryOf(image: string): string {
  const [name = ""] = image.split("@");
  const lastSlash = name.lastIndexOf("/");
  const colon = name.indexOf(":", lastSlash + 1);
  const bare = colon === -1 ? name : name.slice(0, colon);
  return bare.replace(/^(?:index\.)?docker\.io\//u, "").replace(/^library\//u, "");
}
