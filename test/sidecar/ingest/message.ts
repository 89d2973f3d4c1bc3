/** Records of cluster-info as tests write them. */
import * as v from "valibot";
import type { KafkaRecord } from "../../../shared/kafka/batch/record.ts";
import { ClientId } from "../../../shared/protocol/client-id.ts";
import {
  type EncodedRecord,
  encodeBegin,
  encodeMark,
  encodeObject,
  encodeScope,
  encodeTombstone,
  objectKey,
} from "../../../shared/protocol/cluster-info.ts";
import { objectHash } from "../../../shared/protocol/object-hash.ts";
import { decodeRecords, type Item } from "../../../sidecar/ingest/decode/records.ts";

export const CLIENT = v.parse(ClientId, "af-1");
export const LIFE = "00000000000000aa";
export const OTHER_LIFE = "00000000000000bb";
const AT = "2026-01-01T00:00:00.000Z";
const NO_SUM = "0".repeat(32);

type From = { readonly life?: string; readonly pass?: number; readonly projection?: string };

const source = ({ life = LIFE, pass = 1, projection = "1" }: From) => ({
  ...{ life, pass: `${life}.${pass}`, projection },
});

export function objectRecord(uid: string, phase: string, from: From = {}): EncodedRecord {
  const object = { name: uid, created_time: AT, labels: {}, annotations: {}, phase };
  const record = {
    ...{ client_id: CLIENT, kind: "pods", uid, name: uid, resource_version: "1", observed_at: AT },
    ...{ hash: objectHash(object) ?? "", object },
  };
  return encodeObject(record, source(from));
}

export const tombstone = (uid: string, from: From = {}): EncodedRecord =>
  encodeTombstone(objectKey(CLIENT, "pods", uid), source(from));

export const beginRecord = (life: string): EncodedRecord =>
  encodeBegin({
    ...{ client_id: CLIENT, life, partition_count: 3, began_at: AT, agent_version: "1" },
    ...{ projection: "1", mode: "watch" },
  });

export const scopeRecord = (life: string): EncodedRecord =>
  encodeScope({ client_id: CLIENT, life, at: AT, kinds: [] }, "1");

export const markRecord = (
  from: From = {},
  set: { count?: number; hash?: string; full?: boolean } = {},
) =>
  encodeMark(
    {
      ...{ client_id: CLIENT, kind: "pods", ...source(from), full: set.full ?? true, scope: "" },
      ...{ count: set.count ?? 0, set_hash: set.hash ?? NO_SUM, resource_version: "1" },
      ...{ bookmark_age_ms: 0, at: AT },
    },
    "1",
  );

export const kafkaRecord = (
  { key, value, headers }: EncodedRecord,
  offset: number,
  more: Partial<KafkaRecord> = {},
): KafkaRecord => ({
  ...{ offset, timestampMs: 1000 * offset, timestampType: "append", key: Buffer.from(key) },
  value: value === null ? null : Buffer.from(value),
  headers: () => headers,
  ...more,
});

export const itemsOf = (records: readonly EncodedRecord[]): readonly Item[] =>
  decodeRecords(
    records.map((record, offset) => kafkaRecord(record, offset)),
    [],
    { notBeforeMs: 0, nowMs: Number.MAX_SAFE_INTEGER },
  );
