/**
 * An agent that reports one cluster into cluster-info: what a test puts, in lives and passes, with the
 * marks that belong to it.
 */

import * as v from "valibot";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { partitionFor } from "../../shared/kafka/producer/partitioner.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { ClientId } from "../../shared/protocol/client-id.ts";
import {
  type EncodedRecord,
  encodeBegin,
  encodeMark,
  encodeObject,
  encodeScope,
  encodeTombstone,
  objectKey,
} from "../../shared/protocol/cluster-info.ts";
import { addEntry, objectHash, setEntry, setHashText } from "../../shared/protocol/object-hash.ts";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";

const SEND_MS = 20_000;
const PROJECTION = "1";

type Reported = { readonly name: string; readonly [field: string]: unknown };
type Mark = { readonly full: boolean; readonly lost?: number };

export type Reporter = {
  readonly clientId: ClientId;
  /** What the cluster holds by now, by `<kind>/<uid>`. */
  readonly truth: () => ReadonlyMap<string, Reported>;
  readonly begin: (more?: { readonly projection?: string }) => Promise<void>;
  readonly scope: (
    kinds: readonly string[],
    states?: Readonly<Record<string, string>>,
  ) => Promise<void>;
  readonly put: (kind: string, objects: Readonly<Record<string, Reported>>) => Promise<void>;
  readonly remove: (kind: string, uids: readonly string[]) => Promise<void>;
  /** Gone from the cluster without a word, as while no agent runs. */
  readonly forget: (kind: string, uid: string) => void;
  /** @param lost so many objects more than there are: what a mark says when records were lost */
  readonly mark: (kind: string, mark?: Mark) => Promise<void>;
  /** Everything of that kind again, and the mark that closes it. */
  readonly fullPass: (kind: string) => Promise<void>;
  readonly raw: (record: {
    readonly key: string | null;
    readonly value: string | null;
    readonly headers?: Readonly<Record<string, string>>;
  }) => Promise<void>;
  readonly close: () => Promise<void>;
};

export function openReporter(
  bootstrap: string,
  options: { readonly clientId: string; readonly partitions?: number; readonly topic?: string },
): Reporter {
  const log = () => undefined;
  const client = openKafkaClient({ clientId: "reporter", brokers: bootstrap.split(",") }, { log });
  const producer = openProducer({ client, log });
  const topic = options.topic ?? CLUSTER_INFO;
  const clientId = v.parse(ClientId, options.clientId);
  const kinds = new Map<string, Map<string, Reported>>();
  let life = newLife();
  let passes = 0;
  let projection = PROJECTION;
  const passOf = new Map<string, string>();

  const send = async (records: readonly EncodedRecord[]) => {
    const partition = partitionFor(clientId, options.partitions ?? 3);
    const out = records.map((record) => ({ ...record, partition }));
    const sent = await producer.send(topic, out, { deadlineMs: SEND_MS });
    if (!sent.ok) throw new Error(sent.error.detail);
  };
  const ofKind = (kind: string) => {
    const objects = kinds.get(kind) ?? new Map<string, Reported>();
    kinds.set(kind, objects);
    return objects;
  };
  const source = (kind: string) => {
    const pass = passOf.get(kind) ?? `${life}.0`;
    return { life, pass, projection };
  };
  const encode = (kind: string, uid: string, object: Reported) => {
    const whole = { created_time: "2026-01-01T00:00:00Z", labels: {}, annotations: {}, ...object };
    const hash = objectHash(whole) ?? "";
    const { namespace } = object;
    const record = {
      ...{ client_id: clientId, kind, uid, name: object.name, resource_version: "1" },
      ...(typeof namespace === "string" ? { namespace } : {}),
      ...{ observed_at: new Date().toISOString(), hash, object: v.parse(AnyObject, whole) },
    };
    return { record: encodeObject(record, source(kind)), hash };
  };
  const mark = async (kind: string, { full, lost = 0 }: Mark = { full: false }) => {
    let sum = 0n;
    for (const [uid, object] of ofKind(kind)) {
      sum = addEntry(sum, setEntry(uid, encode(kind, uid, object).hash));
    }
    const { pass } = source(kind);
    const said = {
      ...{ client_id: clientId, kind, life, pass, full, scope: "", resource_version: "1" },
      ...{ count: ofKind(kind).size + lost, set_hash: setHashText(sum), bookmark_age_ms: 0 },
      at: new Date().toISOString(),
    };
    await send([encodeMark(said, projection)]);
  };
  const sendAll = async (kind: string) => {
    const records = [...ofKind(kind)].map(([uid, object]) => encode(kind, uid, object).record);
    await send(records);
  };

  return {
    clientId,
    truth: () =>
      new Map(
        [...kinds].flatMap(([kind, all]) => [...all].map(([uid, one]) => [`${kind}/${uid}`, one])),
      ),
    begin: async (more = {}) => {
      life = newLife();
      passes = 0;
      projection = more.projection ?? projection;
      passOf.clear();
      const begin = {
        ...{ client_id: clientId, life, partition_count: options.partitions ?? 3, mode: "watch" },
        ...{ began_at: new Date().toISOString(), agent_version: "test", projection },
      };
      await send([encodeBegin(begin)]);
    },
    scope: async (names, states = {}) => {
      const all = names.map((kind) => ({ kind, state: states[kind] ?? "collected", scope: "" }));
      const at = new Date().toISOString();
      await send([encodeScope({ client_id: clientId, life, at, kinds: all }, projection)]);
    },
    put: async (kind, objects) => {
      const records = Object.entries(objects).map(([uid, object]) => {
        ofKind(kind).set(uid, object);
        return encode(kind, uid, object).record;
      });
      await send(records);
    },
    remove: async (kind, uids) => {
      for (const uid of uids) ofKind(kind).delete(uid);
      await send(uids.map((uid) => encodeTombstone(objectKey(clientId, kind, uid), source(kind))));
    },
    forget: (kind, uid) => {
      ofKind(kind).delete(uid);
    },
    mark,
    fullPass: async (kind) => {
      passes += 1;
      passOf.set(kind, `${life}.${passes}`);
      await sendAll(kind);
      await mark(kind, { full: true });
    },
    raw: ({ key, value, headers = {} }) => send([{ key: key ?? "", value, headers }]),
    close: () => client.close(),
  };
}

const AnyObject = v.looseObject({
  name: v.string(),
  created_time: v.string(),
  labels: v.record(v.string(), v.string()),
  annotations: v.record(v.string(), v.string()),
});

const newLife = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 16);
