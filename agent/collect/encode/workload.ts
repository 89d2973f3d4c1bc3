/** Deployments and pods. No environment, no arguments, no termination message: they hold secrets. */
import type {
  CollectedContainer,
  CollectedDeployment,
  CollectedPod,
} from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { descriptionOf, metaOf } from "./meta.ts";
import { sumOfQuantities } from "./quantity.ts";
import { at, count, items, message, text } from "./read.ts";

export function encodeDeployment(object: unknown, isAllowed: AnnotationRule): CollectedDeployment {
  return {
    ...metaOf(object),
    replicas: count(at(object, "spec", "replicas")),
    ready_replicas: count(at(object, "status", "readyReplicas")),
    updated_replicas: count(at(object, "status", "updatedReplicas")),
    conditions: items(at(object, "status", "conditions")).map((condition) => ({
      type: text(at(condition, "type")),
      status: text(at(condition, "status")),
      reason: text(at(condition, "reason")),
      message: message(at(condition, "message")),
    })),
    ...descriptionOf(object, isAllowed),
  };
}

export function encodePod(object: unknown, isAllowed: AnnotationRule): CollectedPod {
  const status = at(object, "status");
  const statuses = items(at(status, "containerStatuses"));
  const containers = items(at(object, "spec", "containers"));
  const sum = (list: string, resource: string): string =>
    sumOfQuantities(
      containers
        .map((container) => text(at(container, "resources", list, resource)))
        .filter((quantity) => quantity !== ""),
    );
  const encoded = statuses.map(encodeContainer);
  return {
    ...metaOf(object),
    deployment_name: workloadOf(object),
    phase: text(at(status, "phase")),
    node_name: text(at(object, "spec", "nodeName")),
    pod_ip: text(at(status, "podIP")),
    host_ip: text(at(status, "hostIP")),
    restart_count: encoded.reduce((total, each) => total + each.restart_count, 0),
    cpu_request: sum("requests", "cpu"),
    cpu_limit: sum("limits", "cpu"),
    memory_request: sum("requests", "memory"),
    memory_limit: sum("limits", "memory"),
    storage_request: sum("requests", "ephemeral-storage"),
    ...descriptionOf(object, isAllowed),
    container_statuses: encoded,
  };
}

function encodeContainer(status: unknown): CollectedContainer {
  return {
    name: text(at(status, "name")),
    ready: at(status, "ready") === true,
    restart_count: count(at(status, "restartCount")),
    image: text(at(status, "image")),
    state: stateOf(at(status, "state")),
  };
}

function stateOf(state: unknown): string {
  if (at(state, "running") !== undefined) return "running";
  for (const name of ["waiting", "terminated"] as const) {
    const reason = at(state, name, "reason");
    if (at(state, name) !== undefined) return `${name}: ${text(reason)}`;
  }
  return "";
}

/** A ReplicaSet of a Deployment is named `<deployment>-<pod-template-hash>`. */
function workloadOf(object: unknown): string {
  const owners = items(at(object, "metadata", "ownerReferences"));
  const owner = owners.find((each) => at(each, "controller") === true);
  const name = text(at(owner, "name"));
  const hash = text(at(object, "metadata", "labels", "pod-template-hash"));
  const isOfDeployment = at(owner, "kind") === "ReplicaSet" && name.endsWith(`-${hash}`);
  return isOfDeployment && hash !== "" ? name.slice(0, -hash.length - 1) : name;
}
