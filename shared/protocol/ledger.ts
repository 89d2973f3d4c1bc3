/**
 * The ledger, `cluster.status`: per client the last accepted registration or tombstone and the cluster's
 * state; per registry partition, under `_applied:<p>`, how far the registry has been judged.
 *
 * `offset` of an applied record is the first registry offset that has NOT been judged (as a consumer
 * group's committed offset is). Records are compacted by key; readers ignore a lower epoch.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { ClientId } from "./client-id.ts";
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
  const read = v.safeParse(ClusterStatus, parsed.value.json);
  if (!read.success) return err(`${name}: ${v.summarize(read.issues)}`);
  if (read.output.client_id !== name) return err(`${name}: speaks for ${read.output.client_id}`);
  return ok({ kind: "status", status: read.output });
}

export const encodeStatus = (status: ClusterStatus): string => JSON.stringify(status);
export const encodeApplied = (applied: Applied): string => JSON.stringify(applied);
