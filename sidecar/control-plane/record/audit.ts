/**
 * The audit: every act is written before and after it is done, with acks=all, and logged in one line. The
 * line of a spawn is the original's, for those who search their logs for it.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { OutRecord } from "../../../shared/kafka/batch/record.ts";
import type { Log } from "../../../shared/log.ts";
import { type Audit, encodeAudit } from "../../../shared/protocol/audit.ts";
import { type Act, type ActOutcome, describeAct } from "../plan/act.ts";

export type AuditTrail = {
  /** An intent for each act, in order; the ids tie the outcomes to them. */
  readonly intents: (acts: readonly Act[]) => readonly Audit[];
  /** With what was judged of the registry by then; an operator recognizes the own tombstone by it. */
  readonly outcome: (intent: Audit, outcome: ActOutcome, registry: Audit["registry"]) => Audit;
  readonly decision: (
    what: Pick<Audit, "client_id" | "action" | "reason"> & { readonly result: string },
  ) => Audit;
};

export function openAuditTrail(options: {
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Log;
}): AuditTrail {
  const { epoch, log } = options;
  let count = 0;
  const nextId = () => {
    count += 1;
    return `${epoch}-${count}`;
  };
  const at = () => new Date(options.clock.nowMs()).toISOString();

  const intentOf = (act: Act): Audit => {
    const { action, reason } = describeAct(act);
    log.info(intentLine(act), { client_id: act.clientId, action, reason, epoch });
    const clientId = act.clientId;
    return { id: nextId(), epoch, client_id: clientId, phase: "intent", action, reason, at: at() };
  };

  const outcome: AuditTrail["outcome"] = (intent, result, registry) => {
    const place = registry === undefined ? {} : { registry };
    const base = { ...intent, ...place, phase: "outcome" as const, at: at() };
    const fields = { client_id: intent.client_id, action: intent.action, id: intent.id };
    if (result.kind === "failed") {
      const { code, detail } = result.error;
      log.warn(`${intent.action} failed for cluster: ${intent.client_id}`, { ...fields, detail });
      return { ...base, result: code, error: detail };
    }
    const instance = result.kind === "started" ? { instance: result.worker.instance } : {};
    log.info(`${result.kind}: ${intent.client_id}`, { ...fields, ...instance });
    return { ...base, result: result.kind };
  };

  return {
    intents: (acts) => acts.map(intentOf),
    outcome,
    decision: (what) => {
      log.warn(`operator: ${what.action}`, { client_id: what.client_id, reason: what.reason });
      return { ...what, id: nextId(), epoch, phase: "outcome", at: at() };
    },
  };
}

function intentLine(act: Act): string {
  switch (act.kind) {
    case "start":
      return `Spawning graph-builder for cluster: ${act.clientId}`;
    case "stop":
      return `Stopping graph-builder for cluster: ${act.clientId} (${act.cause})`;
    case "delete-group":
      return `Deleting consumer group of cluster: ${act.clientId}`;
  }
}

/** Its record: keyed by cluster, so that one cluster's history stays in order. */
export const auditRecord = (audit: Audit): OutRecord => ({
  key: audit.client_id ?? "fleet",
  value: encodeAudit(audit),
  partition: 0,
});
