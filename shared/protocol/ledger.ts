/**
 * The ledger, `cluster.status`: per client the last accepted registration or tombstone and the cluster's
 * state; per registry partition, under `_applied:<p>`, how far the registry has been judged.
 *
 * `offset` of an applied record is the first registry offset that has NOT been judged (as a consumer
 * group's committed offset is). Records are compacted by key; readers ignore a lower epoch.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { ClientId, isClientId } from "./client-id.ts";
import { keyText, OWN_VALUE_BYTES_MAX, parseJson } from "./json.ts";
import { FACTS } from "./ledger-facts.ts";

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The states of a cluster. `withdrawn`: by a tombstone; `stale`: only a warning. */
export const STATES = ["registered", "active", "stale", "dead", "withdrawn"] as const;
export type State = (typeof STATES)[number];

/** Why it has that state; a closed list, so that reasons can be counted. */
export const REASONS = [
  "registration",
  "heartbeat",
  "silent",
  "never-heard",
  "tombstone",
  "registration-beats-tombstone",
] as const;
export type Reason = (typeof REASONS)[number];

export const WORKER_STATES = [
  "starting",
  "running",
  "stopping",
  "exited",
  "crash-loop",
  "blocked",
] as const;

const Accepted = v.object({
  partition: offset,
  offset,
  /** The accepted record's value, verbatim; null is a tombstone. */
  value: v.nullable(v.string()),
  /**
   * Id of the registry topic to which the offset belongs; a record of that topic at or below the offset is
   * a replay.
   */
  topic_id: v.optional(v.string()),
  headers: v.record(v.string(), v.string()),
});
export type Accepted = v.InferOutput<typeof Accepted>;

const LedgerWorker = v.object({
  runtime: v.string(),
  instance: v.string(),
  spec_hash: v.string(),
  restarts: v.number(),
  /** A value of a later version is dropped: the runtime, not the ledger, says what runs. */
  state: v.fallback(v.picklist(WORKER_STATES), "running"),
  /** Somebody else keeps it from running; shown. */
  held: v.fallback(v.optional(v.string()), undefined),
});
export type LedgerWorker = v.InferOutput<typeof LedgerWorker>;

const WITHDRAWALS = ["pending", "done"] as const;

/**
 * Fields to which a later version may add values. A record with an unknown value must still count: without
 * its entry a running worker would be an orphan.
 */
const Written = v.object({
  client_id: ClientId,
  epoch: offset,
  /** Grows with each record of an epoch, so that a delayed record is recognised as older. */
  sequence: v.optional(offset),
  state: v.string(),
  reason: v.string(),
  /** RFC 3339, by the leader's clock; shown, never decided on. */
  since: v.string(),
  registry: Accepted,
  withdrawal: v.nullable(v.string()),
  /** The tombstone was history when it was read: the consumer group is left to expire. */
  group_kept: v.fallback(v.optional(v.boolean()), undefined),
  worker: v.fallback(v.nullable(LedgerWorker), null),
  ...FACTS,
});

/** Replaces an unknown value by what follows from the accepted record. */
const ClusterStatus = v.pipe(
  Written,
  v.transform((written) => {
    const isTombstone = written.registry.value === null;
    const withdrawal = WITHDRAWALS.find((word) => word === written.withdrawal);
    return {
      ...written,
      state:
        STATES.find((word) => word === written.state) ?? (isTombstone ? "withdrawn" : "registered"),
      reason:
        REASONS.find((word) => word === written.reason) ??
        (isTombstone ? "tombstone" : "registration"),
      withdrawal:
        written.withdrawal === null ? null : (withdrawal ?? (isTombstone ? "pending" : null)),
    };
  }),
);
export type ClusterStatus = v.InferOutput<typeof ClusterStatus>;

const Applied = v.object({
  topic_id: v.string(),
  offset,
  epoch: offset,
  sequence: v.optional(offset),
  /** The registry was recreated, and no operator has accepted it yet: clean-ups are held. */
  held: v.optional(v.boolean()),
  /** Version of the rules by which records were judged (`RULES`); absent: 1. */
  rules: v.optional(offset),
  /** The registry no longer has this partition. */
  removed: v.optional(v.boolean()),
});
/**
 * Version of the rules by which registry records are accepted. A new version accepts records that were
 * refused before, so a partition that was judged by an older one is read once more from its start. 2:
 * client ids of 0.2.
 */
export const RULES = 2;
export type Applied = v.InferOutput<typeof Applied>;

export type LedgerRecord =
  | { readonly kind: "status"; readonly status: ClusterStatus }
  | { readonly kind: "applied"; readonly partition: number; readonly applied: Applied };

const APPLIED_KEY = /^_applied:(?<partition>\d{1,9})$/u;

export const appliedKey = (partition: number): string => `_applied:${partition}`;

/** Reads one ledger record. An error means that somebody else wrote the record: it is counted and ignored. */
export function decodeLedger(
  key: Uint8Array | null,
  value: Uint8Array | null,
): Result<LedgerRecord, string> {
  const name = keyText(key);
  if (name === undefined) return err("a ledger record without a key");
  const partition = APPLIED_KEY.exec(name)?.groups?.["partition"];
  const parsed = parseJson(value ?? new Uint8Array(), OWN_VALUE_BYTES_MAX);
  if (!parsed.ok) return err(`${name}: ${parsed.error.detail}`);
  if (partition !== undefined) {
    const read = v.safeParse(Applied, parsed.value.json);
    if (!read.success) return err(`${name}: ${v.summarize(read.issues)}`);
    return ok({ kind: "applied", partition: Number(partition), applied: read.output });
  }
  const usual = readUsual(parsed.value.json);
  if (usual?.client_id === name) return ok({ kind: "status", status: usual });
  const read = v.safeParse(ClusterStatus, parsed.value.json);
  if (!read.success) return err(`${name}: ${v.summarize(read.issues)}`);
  if (read.output.client_id !== name) return err(`${name}: speaks for ${read.output.client_id}`);
  return ok({ kind: "status", status: read.output });
}

/** What only few records have. */
const UNUSUAL = ["group_kept", ...Object.keys(FACTS)];

/**
 * Nearly every record: all words known, no facts. Read by hand, for a new leader reads one of each cluster
 * before it leads, and the schema takes ten times as long. Undefined: whatever it is, the schema decides. Both
 * read alike (test/shared/protocol/ledger.test.ts).
 */
function readUsual(json: unknown): ClusterStatus | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  if (!("client_id" in json && "epoch" in json && "since" in json && "registry" in json)) return;
  if (!("worker" in json) || UNUSUAL.some((name) => name in json)) return undefined;
  const { client_id: clientId, epoch, since } = json;
  const sequence = "sequence" in json ? json.sequence : 0;
  const words = readWords(json);
  const registry = readAccepted(json.registry);
  const worker = json.worker === null ? null : readWorker(json.worker);
  if (typeof clientId !== "string" || !isClientId(clientId)) return undefined;
  if (typeof since !== "string" || !isOffset(epoch) || !isOffset(sequence)) return undefined;
  if (words === undefined || registry === undefined || worker === undefined) return undefined;
  const { state, reason, withdrawal } = words;
  const placed = "sequence" in json ? { epoch, sequence } : { epoch };
  // In the order in which it is written.
  return { client_id: clientId, ...placed, state, reason, since, registry, withdrawal, worker };
}

function readWords(
  json: object,
): Pick<ClusterStatus, "state" | "reason" | "withdrawal"> | undefined {
  if (!("state" in json && "reason" in json && "withdrawal" in json)) return undefined;
  const state = STATES.find((word) => word === json.state);
  const reason = REASONS.find((word) => word === json.reason);
  const withdrawal = [null, ...WITHDRAWALS].find((word) => word === json.withdrawal);
  if (state === undefined || reason === undefined || withdrawal === undefined) return undefined;
  return { state, reason, withdrawal };
}

function readAccepted(json: unknown): Accepted | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  if (!("partition" in json && "offset" in json && "value" in json && "headers" in json)) return;
  const { partition, offset: at, value, headers } = json;
  if (!isOffset(partition) || !isOffset(at) || !isHeaders(headers)) return undefined;
  if (value !== null && typeof value !== "string") return undefined;
  const kept = Object.keys(headers).length === 0 ? NO_HEADERS : headers;
  if (!("topic_id" in json)) return { partition, offset: at, value, headers: kept };
  if (typeof json.topic_id !== "string") return undefined;
  return { partition, offset: at, value, topic_id: json.topic_id, headers: kept };
}

function readWorker(json: unknown): LedgerWorker | undefined {
  if (typeof json !== "object" || json === null || "held" in json) return undefined;
  if (!("runtime" in json && "instance" in json && "spec_hash" in json)) return undefined;
  if (!("restarts" in json && "state" in json)) return undefined;
  const { runtime, instance, spec_hash: specHash, restarts } = json;
  const state = WORKER_STATES.find((word) => word === json.state);
  if (typeof runtime !== "string" || typeof instance !== "string") return undefined;
  if (typeof specHash !== "string" || typeof restarts !== "number") return undefined;
  return state && { runtime, instance, spec_hash: specHash, restarts, state };
}

const isOffset = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** Names that the schema leaves out. */
const NO_NAMES = ["__proto__", "prototype", "constructor"];

/** One for all clusters that have none. */
const NO_HEADERS: Record<string, string> = Object.freeze({});

const isHeaders = (value: unknown): value is Record<string, string> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.entries(value).every(
    ([name, text]) => typeof text === "string" && !NO_NAMES.includes(name),
  );

export const encodeStatus = (status: ClusterStatus): string => JSON.stringify(status);
export const encodeApplied = (applied: Applied): string => JSON.stringify(applied);
