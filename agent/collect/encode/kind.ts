/** The kinds that can be collected: where the API has them, and what is read of each. */
import type { CollectedObject } from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { encodeConfigMap, encodeSecret } from "./configuration.ts";
import { type AllowedField, encodeCustomResource } from "./custom-resource.ts";
import { encodeEvent } from "./event.ts";
import { encodeIngress, encodeService } from "./network.ts";
import { encodeNode } from "./node.ts";
import { encodeVolume, encodeVolumeClaim } from "./volume.ts";
import { encodeDeployment, encodePod } from "./workload.ts";

type Resource = { readonly group: string; readonly version: string; readonly plural: string };

export type CollectedKind = {
  /** The original's word: a table, a metric's label. */
  readonly word: string;
  /** The plural and its group: in keys of records, and in permissions. */
  readonly kind: string;
  readonly resource: Resource;
  readonly isNamespaced: boolean;
  /** Rows of metadata are asked for, not objects. */
  readonly asTable: boolean;
  /** Its own topic, without marks and deletions. */
  readonly isEvent: boolean;
  /** What the configuration chose of its fields. */
  readonly fields: readonly string[];
  readonly encode: (object: unknown, isAllowed: AnnotationRule) => CollectedObject;
};

const core = (plural: string): Resource => ({ group: "", version: "v1", plural });
const OBJECT = { isNamespaced: true, asTable: false, isEvent: false, fields: [] } as const;

const KINDS: readonly CollectedKind[] = [
  {
    ...OBJECT,
    word: "deployments",
    kind: "deployments.apps",
    resource: { group: "apps", version: "v1", plural: "deployments" },
    encode: encodeDeployment,
  },
  { ...OBJECT, word: "pods", kind: "pods", resource: core("pods"), encode: encodePod },
  {
    ...OBJECT,
    word: "nodes",
    kind: "nodes",
    resource: core("nodes"),
    isNamespaced: false,
    encode: encodeNode,
  },
  {
    ...OBJECT,
    word: "services",
    kind: "services",
    resource: core("services"),
    encode: encodeService,
  },
  {
    ...OBJECT,
    word: "ingresses",
    kind: "ingresses.networking.k8s.io",
    resource: { group: "networking.k8s.io", version: "v1", plural: "ingresses" },
    encode: encodeIngress,
  },
  {
    ...OBJECT,
    word: "configmaps",
    kind: "configmaps",
    resource: core("configmaps"),
    encode: encodeConfigMap,
  },
  {
    ...OBJECT,
    word: "secrets",
    kind: "secrets",
    resource: core("secrets"),
    asTable: true,
    encode: encodeSecret,
  },
  {
    ...OBJECT,
    word: "persistent_volumes",
    kind: "persistentvolumes",
    resource: core("persistentvolumes"),
    isNamespaced: false,
    encode: encodeVolume,
  },
  {
    ...OBJECT,
    word: "persistent_volume_claims",
    kind: "persistentvolumeclaims",
    resource: core("persistentvolumeclaims"),
    encode: encodeVolumeClaim,
  },
  {
    ...OBJECT,
    word: "events",
    kind: "events",
    resource: core("events"),
    isEvent: true,
    encode: encodeEvent,
  },
];

/** What COLLECT_KINDS can name. */
export const KIND_WORDS: readonly string[] = KINDS.map(({ word }) => word);
/** Without those that somebody must want: who may list Secrets could read them; events are many. */
export const KIND_WORDS_BY_DEFAULT = KIND_WORDS.filter(
  (word) => word !== "secrets" && word !== "events",
);

/** By the original's word or by Kubernetes' plural. */
export const kindOf = (name: string): CollectedKind | undefined =>
  KINDS.find(({ word, kind }) => word === name || kind === name);

export type CustomKind = {
  readonly resource: Resource;
  readonly isNamespaced: boolean;
  readonly fields: readonly AllowedField[];
};

export function customKind({ resource, isNamespaced, fields }: CustomKind): CollectedKind {
  const kind = resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
  const encode = (object: unknown, isAllowed: AnnotationRule) =>
    encodeCustomResource(object, isAllowed, fields);
  const names = fields.map(({ name }) => name);
  return { ...OBJECT, word: kind, kind, resource, isNamespaced, fields: names, encode };
}
