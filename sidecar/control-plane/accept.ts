/**
 * Judging registry records: what is accepted changes the fleet, what is refused goes to quarantine
 * and changes nothing. Pure.
 */
import { type ClientId, isClientId } from "../../shared/protocol/client-id.ts";
import { parseJson, toBytes } from "../../shared/protocol/json.ts";
import type { Reason } from "../../shared/protocol/ledger.ts";
import { decodeRegistry } from "../../shared/protocol/message.ts";
import type { Refused } from "../../shared/protocol/quarantine.ts";
import { REGISTRY } from "../../shared/protocol/topic.ts";
import {
  type Cluster,
  type Described,
  type Fleet,
  foldRegistration,
  foldTombstone,
  type Seen,
} from "./fleet.ts";
import { inOrder, type RegistryRecord } from "./order.ts";

/** Headers of an accepted record that the ledger keeps, at most, and characters of each. */
const HEADERS_KEPT_MAX = 16;
const HEADER_CHARS_MAX = 1024;

export type Judged = {
  readonly changed: readonly Cluster[];
  readonly refused: readonly Refused[];
  readonly registrations: number;
  readonly tombstones: number;
  /** Clients of which a registration and a tombstone could not be ordered; the registration won. */
  readonly conflicts: readonly ClientId[];
};

export function judge(
  fleet: Fleet,
  records: readonly RegistryRecord[],
  at: { readonly seen: Seen; readonly nowMs: number },
): Judged {
  const ordered = inOrder(records);
  const changed = new Map<ClientId, Cluster>();
  const refused: Refused[] = [];
  let registrations = 0;
  let tombstones = 0;
  for (const record of ordered.records) {
    const read = decodeRegistry(record.key, record.value);
    if (!read.ok) {
      refused.push({ ...record, topic: REGISTRY, error: read.error });
      continue;
    }
    const { clientId } = read.value;
    const place = { clientId, ...placeOf(record) };
    if (read.value.kind === "tombstone") {
      tombstones += 1;
      changed.set(clientId, foldTombstone(fleet, { ...place, value: null }, at));
    } else {
      registrations += 1;
      const { text } = read.value;
      const reason: Reason = ordered.conflicts.has(clientId)
        ? "registration-beats-tombstone"
        : "registration";
      const described = describe(clientId, text);
      changed.set(
        clientId,
        foldRegistration(fleet, { ...place, value: text }, described, { ...at, reason }),
      );
    }
  }
  const conflicts = [...ordered.conflicts].filter(isClientId);
  return { changed: [...changed.values()], refused, registrations, tombstones, conflicts };
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
