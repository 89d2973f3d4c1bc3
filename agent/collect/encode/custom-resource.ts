/** Custom resources: their metadata, and the fields that the configuration allows. */
import type { CollectedCustomResource } from "../../../shared/protocol/collected-object.ts";
import type { AnnotationRule } from "./annotations.ts";
import { descriptionOf, metaOf } from "./meta.ts";
import { at, clean, entries, text } from "./read.ts";

export type AllowedField = { readonly name: string; readonly path: readonly string[] };

/** @param fields nothing else is read */
export function encodeCustomResource(
  object: unknown,
  isAllowed: AnnotationRule,
  fields: readonly AllowedField[],
): CollectedCustomResource {
  const found = fields.map(({ name, path }) => [name, at(object, ...path)] as const);
  return {
    ...metaOf(object),
    api_version: text(at(object, "apiVersion")),
    fields: Object.fromEntries(
      found
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, cleaned(value)]),
    ),
    ...descriptionOf(object, isAllowed),
  };
}

/** Every text in it, and every key. What is too deep for a hash is refused there. */
function cleaned(value: unknown): unknown {
  if (typeof value === "string") return clean(value);
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(entries(value).map(([key, item]) => [clean(key), cleaned(item)]));
}
