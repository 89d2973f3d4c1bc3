/**
 * Reading what the API server sent, field by field, without believing its form: what is missing or of
 * another type is empty. Texts are cleaned on the way: PostgreSQL takes no NUL, and half of a surrogate
 * pair is no text.
 */
import type { TextMap } from "../../../shared/protocol/collected-object.ts";

/** Longer texts are cut; a name has 253 at most. */
const TEXT_CHARS_MAX = 1024;
/** Messages quote what went wrong, command lines and addresses included: enough to see what it is. */
const MESSAGE_CHARS_MAX = 256;
const USER_IN_URL = /\/\/[^/\s"@]+@/gu;
const QUERY_IN_URL = /(?<url>\w:\/\/[^\s"?]*)\?[^\s"]*/gu;
const NUL = /\0/gu;
const CUT = "…";

/** The value at that path; undefined where there is none. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const name of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, name)) return undefined;
    here = Reflect.get(here, name);
  }
  return here;
}

/** Without NUL and halves of surrogate pairs, and at most so long. */
export function clean(value: string, charsMax = TEXT_CHARS_MAX): string {
  const cut = value.length > charsMax ? `${value.slice(0, charsMax - 1)}${CUT}` : value;
  return (cut.includes("\0") ? cut.replace(NUL, "") : cut).toWellFormed();
}

export const text = (value: unknown): string => (typeof value === "string" ? clean(value) : "");

/** Without who logs in at an address, and what is asked for there. */
export const message = (value: unknown): string =>
  typeof value === "string"
    ? clean(value.replace(USER_IN_URL, "//…@").replace(QUERY_IN_URL, "$<url>?…"), MESSAGE_CHARS_MAX)
    : "";

/** A port, say: a number or a name. */
export const textOrNumber = (value: unknown): string =>
  typeof value === "number" ? String(value) : text(value);

export const count = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value) ? value : 0;

export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const texts = (value: unknown): readonly string[] => items(value).map(text);

export const entries = (value: unknown): readonly (readonly [string, unknown])[] =>
  typeof value === "object" && value !== null ? Object.entries(value) : [];

/** Labels, selectors: texts by name. */
export const textMap = (value: unknown): TextMap =>
  Object.fromEntries(entries(value).map(([name, item]) => [clean(name), text(item)]));

/** Sorted: Kubernetes gives no order, and another one would be another hash. */
export const keys = (value: unknown): readonly string[] =>
  entries(value)
    .map(([name]) => clean(name))
    .sort();
