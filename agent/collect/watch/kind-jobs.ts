/** What is sent of one kind: its objects, their ends, and its marks. */
import {
  encodeMark,
  encodeTombstone,
  objectKey,
  type Source,
} from "../../../shared/protocol/cluster-info.ts";
import type { CollectedKind } from "../encode/kind.ts";
import { type Encoded, RECORD_BYTES_MAX, recordOf, stubOf } from "../encode/record.ts";
import type { ObjectIndex } from "../send/object-index.ts";
import type { Job } from "../send/sender.ts";
import type { LifeContext } from "./life-context.ts";
import type { Sighting } from "./source.ts";

/** So many uids are named in a mark. */
const REFUSED_NAMED_MAX = 100;

export type KindJobs = {
  readonly object: (encoded: Encoded, sighting: Sighting) => Job;
  readonly gone: (uid: string) => Job;
  /** Made when its turn comes: of what Kafka has confirmed then. */
  readonly mark: (full: boolean, confirmed: () => void) => Job;
};

export type KindJobsOptions = {
  readonly kind: CollectedKind;
  readonly scope: string;
  readonly index: ObjectIndex;
  /** Objects that Kafka does not take. */
  readonly refused: Set<string>;
  readonly pass: () => number;
  readonly version: () => bigint;
  readonly ageMs: () => number;
};

export function openKindJobs(life: LifeContext, options: KindJobsOptions): KindJobs {
  const { kind, index, refused } = options;
  const { clientId } = life;
  const topic = kind.isEvent ? "events" : "objects";
  const source = (): Source => ({
    life: life.life,
    pass: `${life.life}.${options.pass()}`,
    projection: life.projection,
  });
  const object = (encoded: Encoded, sighting: Sighting): Job => {
    const occasion = {
      clientId,
      kind: kind.kind,
      observedAtMs: life.clock.nowMs(),
      source: source(),
    };
    const record = recordOf(encoded, { ...occasion, ...sighting });
    const isLarge = !encoded.stub && Buffer.byteLength(record.value ?? "") > RECORD_BYTES_MAX;
    if (isLarge) return object(stubOf(encoded.object), sighting);
    const { uid } = sighting;
    const confirmed = () => {
      refused.delete(uid);
      if (!kind.isEvent) index.confirm(uid, encoded.hash);
    };
    const tooLarge = () => {
      if (!encoded.stub) return object(stubOf(encoded.object), sighting);
      refused.add(uid);
      return undefined;
    };
    return { topic, record, confirmed, tooLarge };
  };
  return {
    object,
    gone: (uid) => ({
      topic,
      record: encodeTombstone(objectKey(clientId, kind.kind, uid), source()),
      confirmed: () => {
        refused.delete(uid);
        index.confirmGone(uid);
      },
    }),
    mark: (full, confirmed) => ({
      topic,
      record: () => markOf(life, options, source(), full),
      confirmed,
    }),
  };
}

function markOf(life: LifeContext, options: KindJobsOptions, source: Source, full: boolean) {
  const { kind, index, refused, scope } = options;
  const named = [...refused].slice(0, REFUSED_NAMED_MAX);
  return encodeMark(
    {
      client_id: life.clientId,
      kind: kind.kind,
      life: source.life,
      pass: source.pass,
      full,
      scope,
      count: index.count(),
      set_hash: index.setHash(),
      resource_version: String(options.version()),
      bookmark_age_ms: options.ageMs(),
      at: new Date(life.clock.nowMs()).toISOString(),
      ...(refused.size === 0 ? {} : { refused: named, refused_count: refused.size }),
    },
    source.projection,
  );
}
