/**
 * Hashes of what was collected: of one object, and of a set of them in any order. They find accidents
 * (a record lost, doubled, or changed on its way), not adversaries.
 *
 * Invariants (test/shared/protocol/object-hash.test.ts):
 *  - the hash of an object does not depend on the order of its keys, so PostgreSQL's jsonb keeps it;
 *  - the hash of a set does not depend on the order in which its members came or went.
 */
import { hash } from "node:crypto";

/** Deeper nested values have no hash: they would end the stack. */
export const DEPTH_MAX = 64;
const HASH_DIGITS = 32;
const MODULUS = 1n << 128n;

/** 128 bits as 32 digits of lower-case hexadecimal. */
const HASH = /^[0-9a-f]{32}$/u;
export const isHash = (text: string): boolean => HASH.test(text);

const digest = (text: string): string => hash("sha256", text, "hex").slice(0, HASH_DIGITS);

/**
 * Of the object's canonical JSON: keys sorted by their UTF-16 code units at every depth, no spaces.
 * Undefined beyond DEPTH_MAX.
 */
export function objectHash(object: unknown): string | undefined {
  const copy = sortedCopy(object, 0);
  const text = copy === NOT_KEPT ? canonicalJson(object, 0) : (JSON.stringify(copy) ?? "null");
  return text === undefined ? undefined : digest(text);
}

/** An object of JavaScript would not keep these keys in their order, or at all; or it is nested too deep. */
const NOT_KEPT = Symbol("not kept");
/** Whole numbers come before all other keys, in the order of their values. */
const isMoved = (key: string): boolean => key === "__proto__" || /^\d/u.test(key);

/**
 * Written out in one go, its canonical JSON: a third of the time that the text takes piece by piece, and a reader
 * hashes every object that it stores.
 */
function sortedCopy(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth === DEPTH_MAX) return NOT_KEPT;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => sortedCopy(item, depth + 1));
    return items.includes(NOT_KEPT) ? NOT_KEPT : items;
  }
  const from: Readonly<Record<string, unknown>> = { ...value };
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(from).sort()) {
    const item = isMoved(key) ? NOT_KEPT : sortedCopy(from[key], depth + 1);
    if (item === NOT_KEPT) return NOT_KEPT;
    copy[key] = item;
  }
  return copy;
}

function canonicalJson(value: unknown, depth: number): string | undefined {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (depth === DEPTH_MAX) return undefined;
  const parts: string[] = [];
  if (Array.isArray(value)) {
    for (const item of value) {
      const part = canonicalJson(item, depth + 1);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return `[${parts.join(",")}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [key, item] of entries) {
    const part = canonicalJson(item, depth + 1);
    if (part === undefined) return undefined;
    parts.push(`${JSON.stringify(key)}:${part}`);
  }
  return `{${parts.join(",")}}`;
}

/** What one object adds to the hash of its set: 128 bits of SHA-256 over `<uid> <hash>`. */
export const setEntry = (uid: string, objectHashText: string): bigint =>
  BigInt(`0x${digest(`${uid} ${objectHashText}`)}`);

/** Both modulo 2^128. */
export const addEntry = (sum: bigint, entry: bigint): bigint => (sum + entry) % MODULUS;
export const removeEntry = (sum: bigint, entry: bigint): bigint =>
  (sum - entry + MODULUS) % MODULUS;

/** A sum as marks carry it. Of no objects it is all zeros. */
export const setHashText = (sum: bigint): string => sum.toString(16).padStart(HASH_DIGITS, "0");
