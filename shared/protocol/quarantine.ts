/**
 * `cluster.quarantine`: a refused record with its key and value unchanged; the headers say why it was
 * refused and where it came from. Its own headers are kept under `original-<name>`.
 */
import type { DecodeError } from "./message.ts";

/** Why a record is not accepted: because of its bytes, or because of who speaks for that cluster. */
export type Refusal = {
  readonly code:
    | DecodeError["code"]
    | "identity-conflict"
    | "other-installation"
    | "withdrawn-by-operator";
  /** One sentence for an operator. */
  readonly detail: string;
};

export type Refused = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly error: Refusal;
};

export type Place = {
  readonly reason: string;
  readonly detail: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export function quarantineHeaders(refused: Refused): Record<string, string> {
  const original = Object.entries(refused.headers).map(([name, text]) => [
    `original-${name}`,
    text,
  ]);
  return {
    ...Object.fromEntries(original),
    reason: refused.error.code,
    detail: refused.error.detail,
    topic: refused.topic,
    partition: String(refused.partition),
    offset: String(refused.offset),
  };
}

/** What the headers of a quarantined record say; undefined when they are not ours. */
export function readQuarantineHeaders(
  headers: Readonly<Record<string, string>>,
): Place | undefined {
  const { reason, detail = "", topic } = headers;
  const partition = Number(headers["partition"] || Number.NaN);
  const offset = Number(headers["offset"] || Number.NaN);
  if (reason === undefined || topic === undefined) return undefined;
  if (!Number.isSafeInteger(partition) || !Number.isSafeInteger(offset)) return undefined;
  return { reason, detail, topic, partition, offset };
}
