/** `cluster.audit`: every act, before and after it is done, and every decision of an operator. */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import { OWN_VALUE_BYTES_MAX, parseJson } from "./json.ts";

export const AUDIT_ACTIONS = [
  "start",
  "stop",
  "delete-group",
  "withdraw",
  "release-brake",
  "accept-registry",
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

const RegistryPlace = v.object({ partition: v.number(), offset: v.number() });

const Audit = v.object({
  /** `<epoch>-<n>`; an outcome carries the id of its intent. */
  id: v.string(),
  epoch: v.number(),
  /** Null if an operator's decision is not about a single cluster. */
  client_id: v.nullable(v.string()),
  phase: v.picklist(["intent", "outcome"]),
  action: v.picklist(AUDIT_ACTIONS),
  reason: v.string(),
  /** In the outcome of `delete-group`: the cluster's latest record in `cluster.registry` that was judged. */
  registry: v.fallback(v.optional(RegistryPlace), undefined),
  result: v.optional(v.string()),
  error: v.optional(v.string()),
  /** RFC 3339, by the leader's clock. */
  at: v.string(),
});
export type Audit = v.InferOutput<typeof Audit>;

export const encodeAudit = (audit: Audit): string => JSON.stringify(audit);

export function decodeAudit(value: Uint8Array | null): Result<Audit, string> {
  const parsed = parseJson(value ?? new Uint8Array(), OWN_VALUE_BYTES_MAX);
  if (!parsed.ok) return err(parsed.error.detail);
  const read = v.safeParse(Audit, parsed.value.json);
  return read.success ? ok(read.output) : err(v.summarize(read.issues));
}
