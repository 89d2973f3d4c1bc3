/**
 * ConfigMaps and Secrets: names of keys, never values. A Secret comes as a row of a table
 * (shared/kubernetes/table.ts): its values are not even asked for, and its annotations are dropped.
 */
import type {
  CollectedConfigMap,
  CollectedSecret,
} from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { descriptionOf, metaOf } from "./meta.ts";
import { at, count, items, keys, text, textMap } from "./read.ts";

export const encodeConfigMap = (
  object: unknown,
  isAllowed: AnnotationRule,
): CollectedConfigMap => ({
  ...metaOf(object),
  data_keys: [...keys(at(object, "data")), ...keys(at(object, "binaryData"))].sort(),
  ...descriptionOf(object, isAllowed),
});

export function encodeSecret(row: unknown): CollectedSecret {
  const [, type, data] = items(at(row, "cells"));
  const number = count(data);
  return {
    ...metaOf(row),
    type: text(type),
    data_keys: keyNames(row, number),
    data_count: number,
    labels: textMap(at(row, "metadata", "labels")),
    annotations: {},
  };
}

/** Who set which key is in managedFields; that they are all is known only where the number agrees. */
function keyNames(row: unknown, number: number): readonly string[] | null {
  const names = new Set<string>();
  for (const manager of items(at(row, "metadata", "managedFields"))) {
    for (const list of ["f:data", "f:stringData"] as const) {
      for (const name of keys(at(manager, "fieldsV1", list))) {
        if (name.startsWith("f:")) names.add(name.slice("f:".length));
      }
    }
  }
  return names.size === number ? [...names].sort() : null;
}
