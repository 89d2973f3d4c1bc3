/** Bytes to JSON and back, as values: no byte sequence makes the reader throw. */
import { isAscii } from "node:buffer";
import { err, ok, type Result } from "../result.ts";

/** Upper bound on a record's value, in bytes. A bigger one is refused before it is parsed. */
export const VALUE_BYTES_MAX = 64 * 1024;

export type JsonError = {
  readonly code: "value-empty" | "value-too-large" | "value-not-json";
  readonly detail: string;
};

/** Fatal: bytes that are no UTF-8 are refused, not repaired, because a repaired name would be another name. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Upper bound on a record that we write ourselves, in bytes: a ledger record quotes a whole registration,
 * and escaping at most doubles that. Kafka's own default limit is 1 MiB.
 */
export const OWN_VALUE_BYTES_MAX = 900_000;

/** The text of a value, verbatim, and what it says. */
export function parseJson(
  bytes: Uint8Array,
  bytesMax = VALUE_BYTES_MAX,
): Result<{ readonly text: string; readonly json: unknown }, JsonError> {
  if (bytes.byteLength === 0) {
    return err({ code: "value-empty", detail: "an empty value is malformed; a tombstone is null" });
  }
  if (bytes.byteLength > bytesMax) {
    const detail = `${bytes.byteLength} bytes, at most ${bytesMax}`;
    return err({ code: "value-too-large", detail });
  }
  try {
    const text = decodeText(bytes);
    return ok({ text, json: JSON.parse(text) });
  } catch (cause) {
    return err({ code: "value-not-json", detail: cause instanceof Error ? cause.message : "" });
  }
}

/** What a text says that was read before; undefined where it is too large or no JSON. */
export function parseText(text: string): unknown {
  if (Buffer.byteLength(text) > VALUE_BYTES_MAX) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const toBytes = (text: string): Uint8Array => encoder.encode(text);

/** Nearly all values are ASCII, which needs no checking decoder and takes a third of the time. */
const decodeText = (bytes: Uint8Array): string =>
  bytes instanceof Buffer && isAscii(bytes) ? bytes.toString("latin1") : utf8.decode(bytes);

/** A key as text; bytes that are no UTF-8 give undefined. */
export function keyText(key: Uint8Array | null): string | undefined {
  if (key === null) return undefined;
  try {
    return decodeText(key);
  } catch {
    return undefined;
  }
}
