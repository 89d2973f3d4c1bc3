/**
 * `cluster-info` as a reader has it: its partition followed record by record, each mark held against what
 * the reader has at that moment, as the contract in docs/collector.md says.
 */
import type { KafkaRecord } from "../../shared/kafka/batch/record.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import { partitionFor } from "../../shared/kafka/producer/partitioner.ts";
import { type ClusterInfoMessage, decodeClusterInfo } from "../../shared/protocol/cluster-info.ts";
import type { Mark, ObjectRecord, Scope } from "../../shared/protocol/cluster-info-record.ts";
import { addEntry, setEntry, setHashText } from "../../shared/protocol/object-hash.ts";

type Row = { readonly record: ObjectRecord; readonly pass: string };
type Rows = Map<string, Map<string, Row>>;

type State = {
  readonly rows: Rows;
  readonly lives: string[];
  readonly wrong: string[];
  readonly texts: string[];
  /** Kinds that the current life has closed. */
  readonly closed: Set<string>;
  scope: Scope | undefined;
  marks: number;
  /** Records of objects. */
  objects: number;
};

export type Collected = {
  /** `wrong`: everything that breaks the contract; empty when all is well. */
  readonly state: Readonly<State>;
  /** Keys and values as they are, for a search. */
  readonly text: () => string;
  readonly close: () => Promise<void>;
};

const noLog = () => undefined;

export async function followCollected(
  bootstrap: string,
  clientId: string,
  topic = "cluster-info",
): Promise<Collected> {
  const state: State = {
    ...{ rows: new Map(), lives: [], wrong: [], texts: [], closed: new Set() },
    ...{ scope: undefined, marks: 0, objects: 0 },
  };
  const close = await followClient(bootstrap, topic, clientId, ({ key, value, headers }) => {
    if (key?.toString().startsWith(`${clientId}/`) !== true) return;
    state.texts.push(`${key} ${value ?? ""}`);
    const read = decodeClusterInfo(key, value, headers());
    if (read.ok) apply(state, read.value);
    else state.wrong.push(`${key}: ${read.error.code} ${read.error.detail}`);
  });
  return { state, text: () => state.texts.join("\n"), close };
}

/** Each record of the partition that a client id's records are in. @returns what ends it */
export async function followClient(
  bootstrap: string,
  topic: string,
  clientId: string,
  take: (record: KafkaRecord) => void,
): Promise<() => Promise<void>> {
  const settings = { clientId: "test-reader", brokers: bootstrap.split(",") };
  const client = openKafkaClient(settings, { log: noLog });
  const count = await client.partitionCount(topic, { deadlineMs: 20_000 });
  if (!count.ok) throw new Error(count.error.detail);
  const reader = openConsumer({
    client,
    log: noLog,
    positions: [{ topic, partition: partitionFor(clientId, count.value), offset: 0 }],
    problem: () => undefined,
    deliver: ({ records }) => {
      for (const record of records) take(record);
    },
  });
  return async () => {
    await reader.close();
    await client.close();
  };
}

function ofKind({ rows }: State, kind: string): Map<string, Row> {
  const found = rows.get(kind) ?? new Map<string, Row>();
  rows.set(kind, found);
  return found;
}

function apply(state: State, message: ClusterInfoMessage): void {
  if (message.type === "begin") {
    state.lives.push(message.begin.life);
    state.closed.clear();
    return;
  }
  const life = message.type === "scope" ? message.scope.life : message.source?.life;
  // What an older life still had in flight.
  if (life !== state.lives.at(-1)) return;
  switch (message.type) {
    case "scope":
      applyScope(state, message.scope);
      return;
    case "object": {
      const { kind, uid, record, source } = message;
      state.objects += 1;
      ofKind(state, kind).set(uid, { record, pass: source.pass });
      return;
    }
    case "tombstone":
      ofKind(state, message.kind).delete(message.uid);
      return;
    case "mark":
      applyMark(state, message.kind, message.mark);
  }
}

function applyScope(state: State, scope: Scope): void {
  state.scope = scope;
  for (const kind of state.rows.keys()) {
    if (!scope.kinds.some((named) => named.kind === kind)) state.rows.delete(kind);
  }
}

function applyMark(state: State, kind: string, mark: Mark): void {
  state.marks += 1;
  const held = ofKind(state, kind);
  if (mark.full) {
    for (const [uid, row] of held) if (row.pass !== mark.pass) held.delete(uid);
    state.closed.add(kind);
  }
  let sum = 0n;
  for (const [uid, { record }] of held) sum = addEntry(sum, setEntry(uid, record.hash));
  const found = `${held.size} ${setHashText(sum)}`;
  const said = `${mark.count} ${mark.set_hash}`;
  if (found !== said) state.wrong.push(`${kind}: the mark says ${said}, the reader has ${found}`);
}
