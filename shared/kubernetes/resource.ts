/** Which objects are meant, in the form of the API's paths. Pure. */
import type { Asked } from "./error.ts";

export type Resource = {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, in lower case: `jobs`. */
  readonly plural: string;
};

export type Selection = {
  readonly resource: Resource;
  /** Undefined: all namespaces, or a cluster-wide resource. */
  readonly namespace?: string;
  /** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors */
  readonly labelSelector?: string;
  /** The form of the answer; by default whole objects in JSON. */
  readonly accept?: string;
};

export function pathOf({ resource, namespace }: Selection): string {
  const { group, version, plural } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${plural}`;
}

export function askedOf(verb: string, { resource, namespace }: Selection): Asked {
  const { group, plural } = resource;
  return { verb, resource: group === "" ? plural : `${plural}.${group}`, namespace };
}

export function queryOf(
  { labelSelector }: Selection,
  more: Readonly<Record<string, string | undefined>>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ labelSelector, ...more })) {
    if (value !== undefined) query.set(name, value);
  }
  return query.toString();
}
