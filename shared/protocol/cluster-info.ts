/**
 * `cluster-info` and `cluster-events`: what agents collect, one record an object, and what holds the
 * records together: lives, passes and marks. Contract: docs/collector.md; golden bytes:
 * test/vector/cluster-info.json.
 *
 * Invariants (test/shared/protocol/cluster-info.test.ts):
 *  - decode never throws, whatever the bytes; what it refuses has a code from a closed list;
 *  - a null value is a tombstone; an empty one is malformed, never a delete;
 *  - the value speaks for its key only, and an object has the hash that its record says.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { type ClientId, isClientId } from "./client-id.ts";
import { Begin, Mark, ObjectRecord, SCHEMA_VERSION, Scope } from "./cluster-info-record.ts";
import type { CollectedObject } from "./collected-object.ts";
import { type JsonError, keyText, OWN_VALUE_BYTES_MAX, parseJson } from "./json.ts";
import { objectHash } from "./object-hash.ts";

const BEGIN = "_begin";
const SCOPE = "_scope";
const SYNCED = "_synced";
/** A resource's plural and its group, as permissions name it: `pods`, `deployments.apps`. */
const KIND = /^[a-z0-9][a-z0-9.-]{0,316}$/u;
/** Not only UUIDs: an aggregated API may give what it likes. */
const UID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/u;
const LIFE = /^[0-9a-f]{16}$/u;
const DETAIL_CHARS_MAX = 512;

const isKind = (text: string): boolean => KIND.test(text);

/** Whose record it is, among the records of its client id. */
export type Source = {
  /** One run of one agent. */
  readonly life: string;
  /** `<life>.<n>`: the full pass of its kind that this record belongs to. */
  readonly pass: string;
  /** Which fields the agent selects. Another one changes rows in place: no history. */
  readonly projection: string;
};

export type ClusterInfoMessage =
  | {
      readonly type: "object";
      readonly clientId: ClientId;
      readonly kind: string;
      readonly uid: string;
      readonly source: Source;
      readonly record: ObjectRecord;
    }
  | {
      readonly type: "tombstone";
      readonly clientId: ClientId;
      readonly kind: string;
      readonly uid: string;
      /** Undefined: another client wrote it. */
      readonly source: Source | undefined;
    }
  | { readonly type: "begin"; readonly clientId: ClientId; readonly begin: Begin }
  | { readonly type: "scope"; readonly clientId: ClientId; readonly scope: Scope }
  | {
      readonly type: "mark";
      readonly clientId: ClientId;
      readonly kind: string;
      readonly source: Source;
      readonly mark: Mark;
    };

export type ClusterInfoError = {
  readonly code:
    | JsonError["code"]
    | "key-invalid"
    | "key-mismatch"
    | "headers-invalid"
    | "schema-unknown"
    | "value-invalid"
    | "hash-mismatch";
  /** One sentence for an operator. Never a part of the value. */
  readonly detail: string;
};

type Headers = Readonly<Record<string, string>>;
type Key =
  | {
      readonly type: "object";
      readonly clientId: ClientId;
      readonly kind: string;
      readonly uid: string;
    }
  | { readonly type: "mark"; readonly clientId: ClientId; readonly kind: string }
  | { readonly type: "begin" | "scope"; readonly clientId: ClientId };

export const objectKey = (clientId: ClientId, kind: string, uid: string): string =>
  `${clientId}/${kind}/${uid}`;
const isUid = (text: string): boolean => UID.test(text);

/** A record as it is written; the partition is that of its client id, never of its key. */
export type EncodedRecord = {
  readonly key: string;
  readonly value: string | null;
  readonly headers: Headers;
};

const headersOf = ({ life, pass, projection }: Source): Headers => ({ life, pass, projection });

/** @param hash objectHash of the object */
export function encodeObject(
  record: Omit<ObjectRecord, "schema" | "object"> & { readonly object: CollectedObject },
  source: Source,
): EncodedRecord {
  const key = `${record.client_id}/${record.kind}/${record.uid}`;
  const value = JSON.stringify({ schema: SCHEMA_VERSION, ...record });
  return { key, value, headers: headersOf(source) };
}

export const encodeTombstone = (key: string, source: Source): EncodedRecord => ({
  key,
  value: null,
  headers: headersOf(source),
});

export function encodeBegin(begin: Omit<Begin, "schema">): EncodedRecord {
  const { client_id, life, projection } = begin;
  const value = JSON.stringify({ schema: SCHEMA_VERSION, ...begin });
  return { key: `${client_id}/${BEGIN}`, value, headers: { life, projection } };
}

export function encodeScope(scope: Omit<Scope, "schema">, projection: string): EncodedRecord {
  const { client_id, life } = scope;
  const value = JSON.stringify({ schema: SCHEMA_VERSION, ...scope });
  return { key: `${client_id}/${SCOPE}`, value, headers: { life, projection } };
}

export function encodeMark(mark: Omit<Mark, "schema">, projection: string): EncodedRecord {
  const { client_id, kind, life, pass } = mark;
  const value = JSON.stringify({ schema: SCHEMA_VERSION, ...mark });
  return { key: `${client_id}/${kind}/${SYNCED}`, value, headers: { life, pass, projection } };
}

/** Reads one record of `cluster-info` or `cluster-events`. */
export function decodeClusterInfo(
  keyBytes: Uint8Array | null,
  value: Uint8Array | null,
  headers: Headers,
): Result<ClusterInfoMessage, ClusterInfoError> {
  const key = readKey(keyText(keyBytes));
  if (key === undefined) return refuse("key-invalid", KEY_RULE);
  const source = readSource(headers);
  if (value === null) {
    if (key.type !== "object") return refuse("value-empty", "only an object has a tombstone");
    const { clientId, kind, uid } = key;
    return ok({ type: "tombstone", clientId, kind, uid, source });
  }
  const parsed = parseJson(value, OWN_VALUE_BYTES_MAX);
  if (!parsed.ok) return refuse(parsed.error.code, jsonDetail(parsed.error));
  return decodeValue(key, parsed.value.json, source);
}

const KEY_RULE =
  "the key is <client id>/<kind>/<uid>, <client id>/<kind>/_synced, <client id>/_begin or <client id>/_scope";

/** JSON.parse quotes what it could not read, and that may be secret. */
const jsonDetail = ({ code, detail }: JsonError): string =>
  code === "value-not-json" ? "no UTF-8, or no JSON" : detail;

function readKey(text: string | undefined): Key | undefined {
  const [clientId = "", kind = "", uid, ...more] = (text ?? "").split("/");
  if (!isClientId(clientId) || more.length > 0) return undefined;
  if (uid === undefined) {
    if (kind === BEGIN) return { type: "begin", clientId };
    return kind === SCOPE ? { type: "scope", clientId } : undefined;
  }
  if (!isKind(kind)) return undefined;
  if (uid === SYNCED) return { type: "mark", clientId, kind };
  return isUid(uid) ? { type: "object", clientId, kind, uid } : undefined;
}

function readSource({ life, pass, projection = "" }: Headers): Source | undefined {
  if (life === undefined || !LIFE.test(life)) return undefined;
  return pass?.startsWith(`${life}.`) === true ? { life, pass, projection } : undefined;
}

function decodeValue(
  key: Key,
  json: unknown,
  source: Source | undefined,
): Result<ClusterInfoMessage, ClusterInfoError> {
  const schema = schemaOf(json);
  if (schema !== SCHEMA_VERSION && schema !== undefined) {
    return refuse("schema-unknown", `schema ${schema}; this program reads ${SCHEMA_VERSION}`);
  }
  const { clientId } = key;
  switch (key.type) {
    case "begin": {
      const read = parseFor(Begin, json, key);
      return read.ok ? ok({ type: "begin", clientId, begin: read.value }) : read;
    }
    case "scope": {
      const read = parseFor(Scope, json, key);
      return read.ok ? ok({ type: "scope", clientId, scope: read.value }) : read;
    }
    case "mark": {
      const read = parseFor(Mark, json, key);
      return read.ok ? checkMark(key.kind, read.value, source) : read;
    }
    case "object": {
      const read = parseFor(ObjectRecord, json, key);
      return read.ok ? checkObject(key, read.value, source) : read;
    }
  }
}

function schemaOf(json: unknown): number | undefined {
  if (typeof json !== "object" || json === null || !("schema" in json)) return undefined;
  return typeof json.schema === "number" ? json.schema : undefined;
}

const HEADERS_RULE =
  "the headers life (16 hexadecimal digits) and pass (<life>.<number>) are needed";
const OTHER_SOURCE = "the mark speaks of another life or pass than its headers";

type ForObject = Extract<Key, { type: "object" }>;

function checkMark(
  kind: string,
  mark: Mark,
  source: Source | undefined,
): Result<ClusterInfoMessage, ClusterInfoError> {
  if (source === undefined) return refuse("headers-invalid", HEADERS_RULE);
  if (mark.life !== source.life || mark.pass !== source.pass) {
    return refuse("key-mismatch", OTHER_SOURCE);
  }
  return ok({ type: "mark", clientId: mark.client_id, kind, source, mark });
}

function checkObject(
  { clientId, kind, uid }: ForObject,
  record: ObjectRecord,
  source: Source | undefined,
): Result<ClusterInfoMessage, ClusterInfoError> {
  if (source === undefined) return refuse("headers-invalid", HEADERS_RULE);
  if (record.uid !== uid) return refuse("key-mismatch", "the value has another uid than the key");
  const hash = objectHash(record.object);
  if (hash === undefined) return refuse("value-invalid", "object: nested too deep");
  if (hash !== record.hash) {
    return refuse("hash-mismatch", `the object's hash is ${hash}, the record says ${record.hash}`);
  }
  return ok({ type: "object", clientId, kind, uid, source, record });
}

/** The value must be a record of that schema, and speak for its key. */
function parseFor<T extends { readonly client_id: string; readonly kind?: string }>(
  schema: v.GenericSchema<unknown, T>,
  json: unknown,
  key: Key,
): Result<T, ClusterInfoError> {
  const read = v.safeParse(schema, json);
  if (!read.success) return refuse("value-invalid", wrongFields(read.issues));
  const { client_id: clientId, kind } = read.output;
  const keyKind = "kind" in key ? key.kind : undefined;
  return clientId === key.clientId && kind === keyKind
    ? ok(read.output)
    : refuse("key-mismatch", "the value has another client_id or kind than the key");
}

/** Names and expectations, never what was received: a value may be secret. */
const wrongFields = (issues: readonly v.BaseIssue<unknown>[]): string =>
  issues
    .map(
      (issue) => `${v.getDotPath(issue) ?? "value"}: expected ${issue.expected ?? "another form"}`,
    )
    .join("; ");

const refuse = (code: ClusterInfoError["code"], detail: string) =>
  err({ code, detail: detail.slice(0, DETAIL_CHARS_MAX) });
