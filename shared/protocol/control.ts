/**
 * `cluster.control`, partition 0: who leads, and what an operator decided. The offset of a leader's
 * own `leader` record is its epoch.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { ClientId } from "./client-id.ts";
import { keyText, OWN_VALUE_BYTES_MAX, parseJson } from "./json.ts";

const Leader = v.object({
  instance: v.string(),
  scope: v.string(),
  fleet: v.optional(v.string()),
});
/** The clusters in `clients` that are still silent may be cleaned up although the brake holds. */
const Brake = v.object({ released_at_epoch: v.number(), clients: v.array(ClientId) });
/** The registry with this topic id is the right one, although the ledger has another id. */
const AcceptRegistry = v.object({ topic_id: v.string() });

const SCHEMAS = { leader: Leader, brake: Brake, "accept-registry": AcceptRegistry } as const;

export type Leader = v.InferOutput<typeof Leader>;
export type Brake = v.InferOutput<typeof Brake>;
export type AcceptRegistry = v.InferOutput<typeof AcceptRegistry>;

export type ControlRecord =
  | { readonly kind: "leader"; readonly leader: Leader }
  | { readonly kind: "brake"; readonly brake: Brake }
  | { readonly kind: "accept-registry"; readonly acceptRegistry: AcceptRegistry };

/** Reads one record; its key names its kind. */
export function decodeControl(
  key: Uint8Array | null,
  value: Uint8Array | null,
): Result<ControlRecord, string> {
  const kind = keyText(key);
  const parsed = parseJson(value ?? new Uint8Array(), OWN_VALUE_BYTES_MAX);
  if (!parsed.ok) return err(parsed.error.detail);
  switch (kind ?? "") {
    case "leader": {
      const read = v.safeParse(SCHEMAS.leader, parsed.value.json);
      return read.success
        ? ok({ kind: "leader", leader: read.output })
        : err(v.summarize(read.issues));
    }
    case "brake": {
      const read = v.safeParse(SCHEMAS.brake, parsed.value.json);
      return read.success
        ? ok({ kind: "brake", brake: read.output })
        : err(v.summarize(read.issues));
    }
    case "accept-registry": {
      const read = v.safeParse(SCHEMAS["accept-registry"], parsed.value.json);
      return read.success
        ? ok({ kind: "accept-registry", acceptRegistry: read.output })
        : err(v.summarize(read.issues));
    }
    default:
      return err(`no control record has the key ${JSON.stringify(kind ?? null)}`);
  }
}

export function encodeControl(record: ControlRecord): { key: string; value: string } {
  switch (record.kind) {
    case "leader":
      return { key: record.kind, value: JSON.stringify(record.leader) };
    case "brake":
      return { key: record.kind, value: JSON.stringify(record.brake) };
    case "accept-registry":
      return { key: record.kind, value: JSON.stringify(record.acceptRegistry) };
  }
}
