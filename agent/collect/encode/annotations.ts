/**
 * Which annotations are collected: those that the configuration names, and never one that repeats the
 * whole object. `kubectl apply` and kapp keep what they applied in an annotation, values included.
 */
import type { TextMap } from "../../../shared/protocol/collected-object.ts";
import { clean, entries, text } from "./read.ts";

/** Whatever the configuration says. */
const NEVER: readonly string[] = [
  "kubectl.kubernetes.io/last-applied-configuration",
  "kapp.k14s.io/original",
  "kapp.k14s.io/original-diff-md5",
];
/** At its end an entry stands for all that begin so: `example.com/*`. */
const ANY = "*";

export type AnnotationRule = (name: string) => boolean;

export function annotationRule(allowed: readonly string[]): AnnotationRule {
  const exact = new Set(allowed.filter((entry) => !entry.endsWith(ANY)));
  const prefixes = allowed
    .filter((entry) => entry.endsWith(ANY))
    .map((entry) => entry.slice(0, -1));
  return (name) =>
    !NEVER.includes(name) &&
    (exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix)));
}

export const annotationsOf = (value: unknown, isAllowed: AnnotationRule): TextMap =>
  Object.fromEntries(
    entries(value)
      .filter(([name]) => isAllowed(name))
      .map(([name, item]) => [clean(name), text(item)]),
  );
