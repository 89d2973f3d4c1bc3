/** From an object of the API server to the record that is sent of it. */
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import {
  type EncodedRecord,
  encodeObject,
  type Source,
} from "../../../shared/protocol/cluster-info.ts";
import type { CollectedObject, ObjectMeta } from "../../../shared/protocol/collected-object.ts";
import { objectHash } from "../../../shared/protocol/object-hash.ts";
import type { AnnotationRule } from "./annotations.ts";
import type { CollectedKind } from "./kind.ts";

/** A record with more than that is sent as a stub. Kafka's own default bound is 1 MiB. */
export const RECORD_BYTES_MAX = 256 * 1024;
const TOO_LARGE = "too-large";

export type Encoded = {
  readonly object: CollectedObject;
  readonly hash: string;
  readonly stub: boolean;
};

export function encode(kind: CollectedKind, raw: unknown, isAllowed: AnnotationRule): Encoded {
  const object = kind.encode(raw, isAllowed);
  const hash = objectHash(object);
  return hash === undefined ? stubOf(object) : { object, hash, stub: false };
}

/** Name, namespace and time of creation only. */
export function stubOf({ name, namespace, created_time }: ObjectMeta): Encoded {
  const object = { name, ...(namespace === undefined ? {} : { namespace }), created_time };
  return { object, hash: objectHash(object) ?? "", stub: true };
}

export type Occasion = {
  readonly clientId: ClientId;
  readonly kind: string;
  readonly uid: string;
  readonly version: bigint;
  readonly observedAtMs: number;
  readonly source: Source;
};

export function recordOf({ object, hash, stub }: Encoded, occasion: Occasion): EncodedRecord {
  const { clientId, kind, uid, version, observedAtMs, source } = occasion;
  const { name, namespace } = object;
  return encodeObject(
    {
      client_id: clientId,
      kind,
      uid,
      ...(namespace === undefined ? {} : { namespace }),
      name,
      resource_version: String(version),
      observed_at: new Date(observedAtMs).toISOString(),
      hash,
      ...(stub ? { stub: TOO_LARGE } : {}),
      object,
    },
    source,
  );
}
