/**
 * Judges registry records: an accepted one changes the fleet; a refused one goes to the quarantine and
 * changes nothing. Pure.
 */
import { type ClientId, isClientId } from "../../../shared/protocol/client-id.ts";
import { parseText } from "../../../shared/protocol/json.ts";
import type { Accepted, Reason } from "../../../shared/protocol/ledger.ts";
import { decodeRegistry, type RegistryMessage } from "../../../shared/protocol/message.ts";
import type { Refused } from "../../../shared/protocol/quarantine.ts";
import { REGISTRY } from "../../../shared/protocol/topic.ts";
import {
  type Cluster,
  type Described,
  type Fleet,
  foldRegistration,
  foldTombstone,
  type Seen,
} from "../fleet/fleet.ts";
import { refusalOf } from "./identity.ts";
import { inOrder, type RegistryRecord } from "./order.ts";

/** How many headers of an accepted record the ledger keeps, and how many characters of each. */
const HEADERS_KEPT_MAX = 16;
const HEADER_CHARS_MAX = 1024;

export type Admitted = {
  readonly changed: readonly Cluster[];
  /** Their accepted record was found again, at another position in the registry. Nothing else changed. */
  readonly moved: readonly Cluster[];
  readonly refused: readonly Refused[];
  readonly registrations: number;
  readonly tombstones: number;
  /** Clients whose registration and tombstone could not be ordered; the registration won. */
  readonly conflicts: readonly ClientId[];
  /** Clients with a tombstone in the history, whose registration in the ledger was kept. */
  readonly outlived: readonly ClientId[];
};

export type AdmitOptions = {
  readonly seen: Seen;
  readonly nowMs: number;
  /** Topic id of the registry that is read: a replay must be of the same topic. */
  readonly topicId?: string;
  readonly history?: RegistryHistory;
};

/** If a registry is read from its start: what was in it before we read its end. */
export type RegistryHistory = {
  /** Per partition: records below this offset are history. */
  readonly ends: ReadonlyMap<number, number>;
  /** Partitions whose history was judged by older rules: only records that these refused can be new. */
  readonly judged: ReadonlySet<number>;
};

export function admit(
  fleet: Fleet,
  records: readonly RegistryRecord[],
  at: AdmitOptions,
): Admitted {
  const { read, refused } = decodeAll(records);
  const ordered = inOrder([...read.keys()]);
  const isHistory = ({ partition, offset }: RegistryRecord): boolean =>
    offset < (at.history?.ends.get(partition) ?? 0);
  const history = admitHistory(ordered.records.filter(isHistory), read);
  const tally: Tally = {
    ...{ changed: new Map(), moved: [], outlived: [], registration: 0, tombstone: 0 },
    refused: [...refused, ...history.refused],
  };
  for (const record of ordered.records) {
    const message = read.get(record);
    const fromHistory = isHistory(record);
    // Records of the history before the last one are over: they start, stop and delete nothing.
    if (message === undefined || (fromHistory && !history.last.has(record))) continue;
    const inConflict = ordered.conflicts.has(message.clientId);
    const intervalSeconds = fromHistory ? history.intervals.get(message.clientId) : undefined;
    take(fleet, tally, record, message, { ...at, inConflict, fromHistory, intervalSeconds });
  }
  return {
    ...{ changed: [...tally.changed.values()], moved: tally.moved, outlived: tally.outlived },
    ...{ registrations: tally.registration, tombstones: tally.tombstone, refused: tally.refused },
    conflicts: [...ordered.conflicts].filter(isClientId),
  };
}

/** The result of the records so far. */
type Tally = {
  readonly changed: Map<ClientId, Cluster>;
  readonly moved: Cluster[];
  readonly outlived: ClientId[];
  readonly refused: Refused[];
  registration: number;
  tombstone: number;
};

function take(
  fleet: Fleet,
  tally: Tally,
  record: RegistryRecord,
  message: RegistryMessage,
  how: How,
): void {
  const { clientId, kind } = message;
  const known = fleet.clusters.get(clientId);
  const said = known === undefined ? "new" : compare(known, record, message, how);
  if (said === "again" && known !== undefined) tally.moved.push(move(known, record, message, how));
  if (said === "outlived") tally.outlived.push(clientId);
  if (said !== "new") return;
  const error = refusalOf(known, message, record.headers);
  if (error !== undefined) {
    tally.refused.push({ ...record, topic: REGISTRY, error });
    return;
  }
  tally[kind] += 1;
  if (kind === "tombstone" && how.inConflict) return;
  tally.changed.set(clientId, fold(fleet, record, message, how));
}

/** The last record of each client that may speak for it. */
function admitHistory(
  records: readonly RegistryRecord[],
  read: ReadonlyMap<RegistryRecord, RegistryMessage>,
) {
  const last = new Map<ClientId, RegistryRecord>();
  /** Of each client's last registration: the tombstone after it says nothing of it. */
  const intervals = new Map<ClientId, number | undefined>();
  const refused: Refused[] = [];
  for (const record of records) {
    const message = read.get(record);
    if (message === undefined) continue;
    const { clientId } = message;
    const before = read.get(last.get(clientId) ?? record);
    const value = before === undefined || before === message ? null : textOf(before);
    const { headers = {} } = last.get(clientId) ?? {};
    const speaker = { clientId, facts: undefined, registry: { value, headers } };
    const error = refusalOf(speaker, message, record.headers);
    if (error === undefined) {
      last.set(clientId, record);
      if (message.kind === "registration")
        intervals.set(clientId, message.registration.heartbeat_interval_seconds);
    } else refused.push({ ...record, topic: REGISTRY, error });
  }
  return { last: new Set(last.values()), intervals, refused };
}

function decodeAll(records: readonly RegistryRecord[]) {
  const refused: Refused[] = [];
  const read = new Map<RegistryRecord, RegistryMessage>();
  for (const record of records) {
    const decoded = decodeRegistry(record.key, record.value);
    if (decoded.ok) read.set(record, decoded.value);
    else refused.push({ ...record, topic: REGISTRY, error: decoded.error });
  }
  return { read, refused };
}

/** How one record is to be judged. */
type How = AdmitOptions & {
  /** Its client's registration and tombstone could not be ordered. */
  readonly inConflict: boolean;
  readonly fromHistory: boolean;
  /** Of the last registration before it in that history. */
  readonly intervalSeconds: number | undefined;
};

/**
 * What a record means, compared with the ledger:
 *  - `replay`: it was judged already, by a leader that died between writing a cluster and `_applied`, or by
 *    older rules, which accepted this record or one of another partition;
 *  - `again`: the same as in the ledger, in a recreated registry;
 *  - `outlived`: a tombstone in such a registry, of a cluster that is registered in the ledger. It is not
 *    known which is newer: silence ends a wrong registration, nothing ends a wrong tombstone;
 *  - `new`: anything else. So is the history of a partition that was added to the same topic.
 */
function compare(
  { registry }: Cluster,
  { partition, offset }: RegistryRecord,
  message: RegistryMessage,
  { topicId, fromHistory, history }: How,
): "replay" | "again" | "outlived" | "new" {
  const isSameTopic = topicId !== undefined && registry.topic_id === topicId;
  const isSamePartition = registry.partition === partition;
  if (isSameTopic && isSamePartition && offset <= registry.offset) return "replay";
  const wasJudged = fromHistory && history?.judged.has(partition) === true;
  if (isSameTopic && wasJudged && !isSamePartition) return "replay";
  if (isSameTopic || !fromHistory) return "new";
  if (registry.value === textOf(message)) return "again";
  return message.kind === "tombstone" ? "outlived" : "new";
}

const textOf = (message: RegistryMessage): string | null =>
  message.kind === "tombstone" ? null : message.text;

function move(known: Cluster, record: RegistryRecord, message: RegistryMessage, how: How): Cluster {
  known.registry = acceptedOf(record, message, how);
  return known;
}

function fold(fleet: Fleet, record: RegistryRecord, message: RegistryMessage, at: How): Cluster {
  const { clientId } = message;
  const accepted = { clientId, ...acceptedOf(record, message, at) };
  if (message.kind === "tombstone") {
    return foldTombstone(fleet, accepted, { ...at, groupKept: at.fromHistory });
  }
  const reason: Reason = at.inConflict ? "registration-beats-tombstone" : "registration";
  return foldRegistration(fleet, accepted, describe(clientId, message.text), { ...at, reason });
}

const acceptedOf = (
  record: RegistryRecord,
  message: RegistryMessage,
  { topicId }: AdmitOptions,
): Accepted => ({
  ...placeOf(record),
  value: textOf(message),
  ...(topicId === undefined ? {} : { topic_id: topicId }),
});

const placeOf = ({ partition, offset, headers }: RegistryRecord) => ({
  partition,
  offset,
  headers: Object.fromEntries(
    Object.entries(headers)
      .slice(0, HEADERS_KEPT_MAX)
      .map(([name, text]) => [name.slice(0, HEADER_CHARS_MAX), text.slice(0, HEADER_CHARS_MAX)]),
  ),
});

/** A cluster's name is for people: an empty or a too long one is no reason to refuse the record. */
const NAME_CHARS_MAX = 253;
const isShown = (name: unknown): name is string =>
  typeof name === "string" && name !== "" && name.length <= NAME_CHARS_MAX;

/** What an accepted registration says about its cluster; the ledger keeps only its text. */
export function describe(clientId: ClientId, value: string | null): Described {
  const json = value === null ? undefined : parseText(value);
  if (typeof json !== "object" || json === null) {
    return { clusterName: clientId, intervalSeconds: undefined };
  }
  const name = "cluster_name" in json ? json.cluster_name : "";
  const interval =
    "heartbeat_interval_seconds" in json ? json.heartbeat_interval_seconds : undefined;
  return {
    clusterName: isShown(name) ? name : clientId,
    intervalSeconds: typeof interval === "number" ? interval : undefined,
  };
}
