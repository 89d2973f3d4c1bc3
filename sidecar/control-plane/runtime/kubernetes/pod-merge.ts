/**
 * Merges WORKER_POD_TEMPLATE into the pod of a worker's Job: objects field by field, where `null` removes
 * one of our fields (RFC 7396); containers, volumes and variables by name, mounts by path; any other list
 * as a whole. Its `envFrom` comes before ours, so that a worker's own secrets win. Pure.
 */
import type { V1Job } from "@kubernetes/client-node";
import type { NamedObject } from "../../../../shared/kubernetes/kubernetes.ts";
import type { PodTemplate } from "./pod-template.ts";

type Fields = Readonly<Record<string, unknown>>;

export function withPodTemplate(job: V1Job, template: PodTemplate | undefined): NamedObject {
  if (template === undefined) return job;
  const pod = job.spec?.template;
  const metadata = {
    ...pod?.metadata,
    labels: { ...template.labels, ...pod?.metadata?.labels },
    annotations: { ...template.annotations, ...pod?.metadata?.annotations },
  };
  const spec = mergedFields({ ...pod?.spec }, template.spec);
  const merged = { ...job, spec: { ...job.spec, template: { ...pod, metadata, spec } } };
  return merged;
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The field that identifies an entry of these lists. */
const KEYS: Readonly<Record<string, string>> = {
  containers: "name",
  initContainers: "name",
  volumes: "name",
  env: "name",
  volumeMounts: "mountPath",
};

function mergedFields(own: Fields, laid: Fields): Fields {
  const kept = Object.entries(own).filter(([name]) => laid[name] !== null);
  const over = Object.entries(laid).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(kept),
    ...Object.fromEntries(over.map(([name, value]) => [name, merged(own[name], value, name)])),
  };
}

function merged(own: unknown, laid: unknown, field: string): unknown {
  if (isFields(own) && isFields(laid)) return mergedFields(own, laid);
  if (!(Array.isArray(own) && Array.isArray(laid))) return laid;
  if (field === "envFrom") return [...laid, ...own];
  const key = KEYS[field];
  return key === undefined ? laid : mergedList(own, laid, key, field === "containers");
}

function mergedList(
  own: readonly unknown[],
  laid: readonly unknown[],
  key: string,
  deep: boolean,
): readonly unknown[] {
  const nameOf = (value: unknown) => (isFields(value) ? value[key] : undefined);
  const changed = own.map((each) => {
    const over = laid.find((other) => nameOf(other) === nameOf(each));
    return deep && isFields(each) && isFields(over) ? mergedFields(each, over) : (over ?? each);
  });
  const names = own.map(nameOf);
  return [...changed, ...laid.filter((each) => !names.includes(nameOf(each)))];
}
