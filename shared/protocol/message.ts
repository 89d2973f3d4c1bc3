/**
 * The records that clusters send, and how their bytes are read: registration, tombstone, heartbeat, and the
 * leader's own tick among the heartbeats. Contract: docs/protocol.md; golden bytes:
 * test/vector/protocol.json.
 *
 * Invariants (test/shared/protocol/):
 *  - decode never throws, whatever the bytes; what it refuses has a code from a closed list;
 *  - a tombstone is a null value; an empty value is malformed, never a delete;
 *  - the payload speaks for its key only; no field of it names a container, group or image;
 *  - unknown fields are ignored, and a descriptive field of a wrong type is dropped, not refused.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { CLIENT_ID_RULE, ClientId, isClientId } from "./client-id.ts";
import { type Heartbeat, readHeartbeat } from "./heartbeat.ts";
import { type JsonError, keyText, parseJson } from "./json.ts";

/** Key of the leader's own record among the heartbeats; no client id begins with `_`. */
export const TICK_KEY = "_watermark";

const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
/** Descriptive fields are for people: a wrong one is dropped, the record still counts. */
const shown = <T>(schema: v.GenericSchema<unknown, T>) => v.fallback(v.optional(schema), undefined);

const Registration = v.object({
  client_id: ClientId,
  /** May be empty or left out, as the original's clients do; then the client id is shown. */
  cluster_name: v.nullish(v.string()),
  version: shown(text(64)),
  registered_at: shown(text(64)),
  metadata: shown(v.object({ namespace: shown(text(253)), release_name: shown(text(253)) })),
  /** Decides deadlines, so a wrong one is refused. */
  heartbeat_interval_seconds: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(3600))),
  instance_id: shown(text(128)),
  installation_id: shown(text(128)),
  protocol: shown(v.number()),
});
export type Registration = v.InferOutput<typeof Registration>;

const Tick = v.object({
  epoch: v.number(),
  sequence: v.number(),
  interval_ms: v.number(),
  instance: v.string(),
});
export type Tick = v.InferOutput<typeof Tick>;

export type RegistryMessage =
  | {
      readonly kind: "registration";
      readonly clientId: ClientId;
      readonly registration: Registration;
      /** The value as it was sent; the ledger keeps it verbatim. */
      readonly text: string;
    }
  | { readonly kind: "tombstone"; readonly clientId: ClientId };

export type HeartbeatMessage =
  | {
      readonly kind: "heartbeat";
      readonly clientId: ClientId;
      readonly heartbeat: Heartbeat;
      /** True for the original's watcher, which keys its beats `X::X`. */
      readonly legacyKey: boolean;
    }
  | { readonly kind: "tick"; readonly tick: Tick };

export type DecodeError = {
  readonly code:
    | JsonError["code"]
    | "key-invalid"
    | "key-mismatch"
    | "value-invalid"
    | "legacy-cut-registration"
    | "batch-corrupt";
  /** One sentence for an operator. Never more than `DETAIL_CHARS_MAX` characters. */
  readonly detail: string;
};

const DETAIL_CHARS_MAX = 512;
const KEY_CHARS_SHOWN_MAX = 80;

/** The key that one of the original's two hooks sends: its JSON was cut at the first colon. */
const CUT_KEY = '{"client_id"';
const CUT_DETAIL =
  "the original chart's registration hook let its producer cut the JSON at its first colon, so " +
  `that the key is ${CUT_KEY} and the value is no JSON; upgrade the chart, or register that cluster ` +
  "with `agent register`";

const refuse = (code: DecodeError["code"], detail: string) =>
  err({ code, detail: detail.slice(0, DETAIL_CHARS_MAX) });

/** Reads one record of `cluster.registry`. */
export function decodeRegistry(
  key: Uint8Array | null,
  value: Uint8Array | null,
): Result<RegistryMessage, DecodeError> {
  const name = keyText(key);
  if (name === CUT_KEY) return refuse("legacy-cut-registration", CUT_DETAIL);
  if (name === undefined || !isClientId(name)) return refuse("key-invalid", describeKey(name));
  if (value === null) return ok({ kind: "tombstone", clientId: name });
  const parsed = parseFor(name, value);
  if (!parsed.ok) return parsed;
  const read = v.safeParse(Registration, parsed.value.json);
  if (!read.success) return refuse("value-invalid", sentence(read.issues));
  const { text: sent } = parsed.value;
  return ok({ kind: "registration", clientId: name, registration: read.output, text: sent });
}

/** Reads one record of `cluster.heartbeat`. */
export function decodeHeartbeat(
  key: Uint8Array | null,
  value: Uint8Array | null,
): Result<HeartbeatMessage, DecodeError> {
  const name = keyText(key);
  if (name === TICK_KEY) return decodeTick(value);
  const clientId = name === undefined || isClientId(name) ? name : legacyKeyed(name);
  if (clientId === undefined || !isClientId(clientId)) {
    return refuse("key-invalid", describeKey(name));
  }
  if (value === null) return refuse("value-empty", "a null value means nothing among heartbeats");
  const parsed = parseJson(value);
  if (!parsed.ok) return refuse(parsed.error.code, parsed.error.detail);
  const heartbeat = readHeartbeat(parsed.value.json, clientId);
  if (heartbeat === undefined) return refuseBeat(parsed.value.json, clientId);
  return ok({ kind: "heartbeat", clientId, heartbeat, legacyKey: clientId !== name });
}

function refuseBeat(json: unknown, clientId: ClientId) {
  const mismatch = mismatchOf(json, clientId);
  return mismatch === undefined
    ? refuse("value-invalid", "a heartbeat is an object with at least a client_id")
    : refuse("key-mismatch", mismatch);
}

/** `X::X` stands for X; any other such key is no client id. */
function legacyKeyed(key: string): string | undefined {
  const half = (key.length - 2) / 2;
  const first = key.slice(0, half);
  return key === `${first}::${first}` ? first : undefined;
}

function decodeTick(value: Uint8Array | null): Result<HeartbeatMessage, DecodeError> {
  const parsed = parseJson(value ?? new Uint8Array());
  if (!parsed.ok) return refuse(parsed.error.code, parsed.error.detail);
  const read = v.safeParse(Tick, parsed.value.json);
  if (!read.success) return refuse("value-invalid", sentence(read.issues));
  return ok({ kind: "tick", tick: read.output });
}

/** Checks, in this order: the size, the JSON, and that the payload's client id is the record's key. */
function parseFor(
  clientId: ClientId,
  value: Uint8Array,
): Result<{ readonly json: unknown; readonly text: string }, DecodeError> {
  const parsed = parseJson(value);
  if (!parsed.ok) return refuse(parsed.error.code, parsed.error.detail);
  const mismatch = mismatchOf(parsed.value.json, clientId);
  return mismatch === undefined ? parsed : refuse("key-mismatch", mismatch);
}

function mismatchOf(json: unknown, clientId: ClientId): string | undefined {
  const spokenFor = clientIdIn(json);
  if (spokenFor === undefined || spokenFor === clientId) return undefined;
  return `key ${JSON.stringify(clientId)}, client_id ${shorten(spokenFor)}`;
}

function clientIdIn(json: unknown): string | undefined {
  if (typeof json !== "object" || json === null || !("client_id" in json)) return undefined;
  return typeof json.client_id === "string" ? json.client_id : undefined;
}

/** What is wrong, each with its field, in one line: `cluster_name: Invalid type: …; client_id: …`. */
const sentence = (issues: readonly v.BaseIssue<unknown>[]): string =>
  issues
    .map((issue) => [v.getDotPath(issue), issue.message].filter((part) => part !== null).join(": "))
    .join("; ");

const shorten = (name: string): string => JSON.stringify(name.slice(0, KEY_CHARS_SHOWN_MAX));

const describeKey = (key: string | undefined): string =>
  key === undefined
    ? "the record has no key, or one that is no UTF-8; the key is the client id"
    : `key ${shorten(key)} is no client id: ${CLIENT_ID_RULE}`;

export const encodeRegistration = (registration: Registration): string =>
  JSON.stringify(registration);
export const encodeHeartbeat = (heartbeat: Heartbeat): string => JSON.stringify(heartbeat);
export const encodeTick = (tick: Tick): string => JSON.stringify(tick);
