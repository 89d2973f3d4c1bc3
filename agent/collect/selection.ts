/** Which kinds, namespaces and objects are collected, as the configuration says it. Pure. */
import type { Selection } from "../../shared/kubernetes/resource.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { type CollectedKind, customKind, KIND_WORDS, kindOf } from "./encode/kind.ts";

const CUSTOM =
  /^(?<plural>[a-z0-9-]+)(?:\.(?<group>[a-z0-9.-]+))?\/(?<version>[a-z0-9]+)(?<cluster>:cluster)?=(?<fields>.+)$/u;
const FIELD = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/u;
const FIELDS_MAX = 100;

export function parseKinds(value: string): Result<readonly CollectedKind[], string> {
  const kinds = new Map<string, CollectedKind>();
  for (const word of value.split(",").map((each) => each.trim())) {
    const kind = kindOf(word);
    if (kind === undefined) return err(`"${word}" is none of ${KIND_WORDS.join(", ")}`);
    kinds.set(kind.kind, kind);
  }
  return ok([...kinds.values()]);
}

export function parseCustomResources(value: string): Result<readonly CollectedKind[], string> {
  const kinds = new Map<string, CollectedKind>();
  for (const entry of value.split(";").map((each) => each.trim())) {
    if (entry === "") continue;
    const kind = parseCustomResource(entry);
    if (!kind.ok) return kind;
    if (kinds.has(kind.value.kind)) return err(`${kind.value.kind} is named twice`);
    kinds.set(kind.value.kind, kind.value);
  }
  return ok([...kinds.values()]);
}

function parseCustomResource(entry: string): Result<CollectedKind, string> {
  const { plural, group = "", version, cluster, fields } = CUSTOM.exec(entry)?.groups ?? {};
  if (plural === undefined || version === undefined || fields === undefined) {
    return err(`"${entry}" is not of the form plural.group/version=field,field`);
  }
  const names = fields.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !FIELD.test(name));
  if (wrong !== undefined) return err(`"${wrong}" is no path of a field such as spec.engine`);
  if (names.length > FIELDS_MAX) return err(`${plural}: more than ${FIELDS_MAX} fields`);
  return ok(
    customKind({
      resource: { group, version, plural },
      isNamespaced: cluster === undefined,
      fields: names.map((name) => ({ name, path: name.split(".") })),
    }),
  );
}

export type Filter = {
  readonly collectNamespaces: readonly string[] | undefined;
  readonly collectLabelSelector: string | undefined;
};

/** One for all namespaces, or one for each that is named. */
export function selectionsOf(kind: CollectedKind, filter: Filter): readonly Selection[] {
  const { collectNamespaces: namespaces, collectLabelSelector: labelSelector } = filter;
  // An event has not the labels of what it is about.
  const labels = labelSelector === undefined || kind.isEvent ? {} : { labelSelector };
  const all = { resource: kind.resource, ...labels };
  if (!kind.isNamespaced || namespaces === undefined) return [all];
  return [...new Set(namespaces)].map((namespace) => ({ ...all, namespace }));
}

/** As it stands in marks: empty for everything. */
export function scopeText(kind: CollectedKind, filter: Filter): string {
  const { collectNamespaces: namespaces, collectLabelSelector: labelSelector } = filter;
  const parts = [
    ...(namespaces === undefined || !kind.isNamespaced
      ? []
      : [`namespaces=${[...new Set(namespaces)].sort().join(",")}`]),
    ...(labelSelector === undefined || kind.isEvent ? [] : [`labels=${labelSelector}`]),
  ];
  return parts.join(";");
}
