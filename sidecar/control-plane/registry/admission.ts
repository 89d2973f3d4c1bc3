/**
 * Judging registry records: what is accepted changes the fleet, what is refused goes to quarantine
 * and changes nothing. Pure.
 */
import { type ClientId, isClientId } from "../../../shared/protocol/client-id.ts";
import { parseJson, toBytes } from "../../../shared/protocol/json.ts";
import type { Reason } from "../../../shared/protocol/ledger.ts";
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

/** Headers of an accepted record that the ledger keeps, at most, and characters of each. */
const HEADERS_KEPT_MAX = 16;
const HEADER_CHARS_MAX = 1024;

export type Admitted = {
  readonly changed: readonly Cluster[];
  readonly refused: readonly Refused[];
  readonly registrations: number;
  readonly tombstones: number;
  /** Clients of which a registration and a tombstone could not be ordered; the registration won. */
  readonly conflicts: readonly ClientId[];
};

export type AdmitOptions = {
  readonly seen: Seen;
  readonly nowMs: number;
  /** Of the registry that is read: a replay is one of the same topic only. */
  readonly topicId?: string;
};

export function admit(
  fleet: Fleet,
  records: readonly RegistryRecord[],
  at: AdmitOptions,
): Admitted {
  const refused: Refused[] = [];
  const read = new Map<RegistryRecord, RegistryMessage>();
  for (const record of records) {
    const decoded = decodeRegistry(record.key, record.value);
    if (decoded.ok) read.set(record, decoded.value);
    else refused.push({ ...record, topic: REGISTRY, error: decoded.error });
  }
  const ordered = inOrder([...read.keys()]);
  const changed = new Map<ClientId, Cluster>();
  const counts = { registrations: 0, tombstones: 0 };
  for (const record of ordered.records) {
    const message = read.get(record);
    if (message === undefined || isReplay(fleet, message.clientId, record, at)) continue;
    const error = refusalOf(fleet.clusters.get(message.clientId), message, record.headers);
    if (error !== undefined) {
      refused.push({ ...record, topic: REGISTRY, error });
      continue;
    }
    const inConflict = ordered.conflicts.has(message.clientId);
    counts[message.kind === "tombstone" ? "tombstones" : "registrations"] += 1;
    if (message.kind === "tombstone" && inConflict) continue;
    changed.set(message.clientId, fold(fleet, record, message, { ...at, inConflict }));
  }
  const conflicts = [...ordered.conflicts].filter(isClientId);
  return { changed: [...changed.values()], refused, ...counts, conflicts };
}

/** A leader that died between writing a cluster and `_applied` leaves records that were judged. */
function isReplay(
  fleet: Fleet,
  clientId: ClientId,
  { partition, offset }: RegistryRecord,
  { topicId }: AdmitOptions,
): boolean {
  const known = fleet.clusters.get(clientId)?.registry;
  return (
    known !== undefined &&
    topicId !== undefined &&
    known.topic_id === topicId &&
    known.partition === partition &&
    offset <= known.offset
  );
}

function fold(
  fleet: Fleet,
  record: RegistryRecord,
  message: RegistryMessage,
  at: AdmitOptions & { readonly inConflict: boolean },
): Cluster {
  const { clientId } = message;
  const topic = at.topicId === undefined ? {} : { topic_id: at.topicId };
  const place = { clientId, ...placeOf(record), ...topic };
  if (message.kind === "tombstone") return foldTombstone(fleet, { ...place, value: null }, at);
  const reason: Reason = at.inConflict ? "registration-beats-tombstone" : "registration";
  const described = describe(clientId, message.text);
  return foldRegistration(fleet, { ...place, value: message.text }, described, { ...at, reason });
}

const placeOf = ({ partition, offset, headers }: RegistryRecord) => ({
  partition,
  offset,
  headers: Object.fromEntries(
    Object.entries(headers)
      .slice(0, HEADERS_KEPT_MAX)
      .map(([name, text]) => [name.slice(0, HEADER_CHARS_MAX), text.slice(0, HEADER_CHARS_MAX)]),
  ),
});

/** What an accepted registration says about its cluster; the ledger keeps only its text. */
export function describe(clientId: ClientId, value: string | null): Described {
  const parsed = value === null ? undefined : parseJson(toBytes(value));
  const json = parsed?.ok === true ? parsed.value.json : undefined;
  if (typeof json !== "object" || json === null) {
    return { clusterName: clientId, intervalSeconds: undefined };
  }
  const name = "cluster_name" in json ? json.cluster_name : "";
  const interval =
    "heartbeat_interval_seconds" in json ? json.heartbeat_interval_seconds : undefined;
  return {
    clusterName: typeof name === "string" && name !== "" ? name : clientId,
    intervalSeconds: typeof interval === "number" ? interval : undefined,
  };
}
