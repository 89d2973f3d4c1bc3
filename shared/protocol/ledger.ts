/**
 * The ledger, `cluster.status`: per client the last accepted registration or tombstone and what
 * became of it; per registry partition, under `_applied:<p>`, how far the registry has been judged.
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

/** Where a cluster stands. `withdrawn` by tombstone; `stale` is a warning only. */
export const STATES = ["registered", "active", "stale", "dead", "withdrawn"] as const;
export type State = (typeof STATES)[number];

/** Why it stands there; closed, so that it can be counted. */
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
  /** Id of the registry topic that offset is of; a record at or below it there is a replay. */
  topic_id: v.optional(v.string()),
  headers: v.record(v.string(), v.string()),
});
export type Accepted = v.InferOutput<typeof Accepted>;

const LedgerWorker = v.object({
  runtime: v.string(),
  instance: v.string(),
  spec_hash: v.string(),
  restarts: v.number(),
  /** A word of a later version: what runs is said by the runtime, not here. */
  state: v.fallback(v.picklist(WORKER_STATES), "running"),
  /** Somebody else keeps it from running; shown. */
  held: v.fallback(v.optional(v.string()), undefined),
});
export type LedgerWorker = v.InferOutput<typeof LedgerWorker>;

const WITHDRAWALS = ["pending", "done"] as const;

/**
 * Words that a later version may add, as they are written. A record with one that is not known must
 * still count: without its entry a worker that runs would be an orphan.
 */
const Written = v.object({
  client_id: ClientId,
  epoch: offset,
  /** Grows with each record of an epoch: one that was held up on its way is told from a newer one. */
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

/** An unknown word is read as what follows from the accepted record alone. */
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
  /** The registry was made again and nobody has accepted it yet: clean-ups are held. */
  held: v.optional(v.boolean()),
  /** By which rules it was judged (`RULES`); absent: by the first. */
  rules: v.optional(offset),
  /** The registry has no such partition any more. */
  removed: v.optional(v.boolean()),
});
/**
 * Number of the rules by which registry records are accepted. A new one lets in what was refused before:
 * a partition that was judged by an older one is read from its start once more. 2: client ids of 0.2.
 */
export const RULES = 2;
export type Applied = v.InferOutput<typeof Applied>;

export type LedgerRecord =
  | { readonly kind: "status"; readonly status: ClusterStatus }
  | { readonly kind: "applied"; readonly partition: number; readonly applied: Applied };

const APPLIED_KEY = /^_applied:(?<partition>\d{1,9})$/u;

export const appliedKey = (partition: number): string => `_applied:${partition}`;

/** Reads one ledger record. An error is a record that somebody else wrote: counted, ignored. */
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
