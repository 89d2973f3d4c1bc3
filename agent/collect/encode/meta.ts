/** What every object has. */
import type { ObjectMeta, TextMap } from "../../../shared/protocol/collected-object.ts";
import { type AnnotationRule, annotationsOf } from "./annotations.ts";
import { at, text, textMap } from "./read.ts";

export function metaOf(object: unknown): ObjectMeta {
  const metadata = at(object, "metadata");
  const namespace = text(at(metadata, "namespace"));
  return {
    name: text(at(metadata, "name")),
    ...(namespace === "" ? {} : { namespace }),
    created_time: text(at(metadata, "creationTimestamp")),
  };
}

export type Description = { readonly labels: TextMap; readonly annotations: TextMap };

export const descriptionOf = (object: unknown, isAllowed: AnnotationRule): Description => ({
  labels: textMap(at(object, "metadata", "labels")),
  annotations: annotationsOf(at(object, "metadata", "annotations"), isAllowed),
});
