/** Nodes. Their heartbeats move a condition's time only, which is not collected. */
import type { CollectedNode } from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { descriptionOf, metaOf } from "./meta.ts";
import { at, items, text } from "./read.ts";

export function encodeNode(object: unknown, isAllowed: AnnotationRule): CollectedNode {
  const status = at(object, "status");
  const amount = (list: string, resource: string): string => text(at(status, list, resource));
  const isReady = items(at(status, "conditions")).some(
    (condition) => at(condition, "type") === "Ready" && at(condition, "status") === "True",
  );
  return {
    ...metaOf(object),
    ready: isReady,
    cpu_capacity: amount("capacity", "cpu"),
    memory_capacity: amount("capacity", "memory"),
    storage_capacity: amount("capacity", "ephemeral-storage"),
    cpu_allocatable: amount("allocatable", "cpu"),
    memory_allocatable: amount("allocatable", "memory"),
    storage_allocatable: amount("allocatable", "ephemeral-storage"),
    os_image: text(at(status, "nodeInfo", "osImage")),
    kernel_version: text(at(status, "nodeInfo", "kernelVersion")),
    kubelet_version: text(at(status, "nodeInfo", "kubeletVersion")),
    ...descriptionOf(object, isAllowed),
  };
}
