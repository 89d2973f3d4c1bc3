/**
 * `cluster.audit` and `cluster.control`, read whole, and what must be true of them whatever happened:
 * every outcome has its intent before it, no epoch comes after a later one, every epoch is one that a
 * leader announced, a worker is not started twice without a stop between.
 */
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { readToEnd } from "../../shared/kafka/consumer/read-until.ts";
import { type Audit, decodeAudit } from "../../shared/protocol/audit.ts";
import { decodeControl } from "../../shared/protocol/control.ts";
import { AUDIT, CONTROL } from "../../shared/protocol/topic.ts";
import { READ_CALL } from "../../sidecar/control-plane/operator/read-ledger.ts";

export type History = {
  readonly audits: readonly Audit[];
  /** Offsets of `leader` records, in their order. */
  readonly epochs: readonly number[];
};

/** @throws Error when Kafka cannot be read, or holds a record that is not ours */
export async function readHistory(bootstrap: string): Promise<History> {
  const log = () => undefined;
  const client = openKafkaClient(
    { clientId: "test-history", brokers: bootstrap.split(",") },
    { log },
  );
  const audits: Audit[] = [];
  const epochs: number[] = [];
  try {
    const first = await readToEnd({ client, log }, AUDIT, READ_CALL, ({ records }) => {
      for (const { value } of records) {
        const audit = decodeAudit(value);
        if (!audit.ok) throw new Error(`cluster.audit: ${audit.error}`);
        audits.push(audit.value);
      }
    });
    if (!first.ok) throw new Error(first.error.detail);
    const second = await readToEnd({ client, log }, CONTROL, READ_CALL, ({ records }) => {
      for (const { key, value, offset } of records) {
        const control = decodeControl(key, value);
        if (!control.ok) throw new Error(`cluster.control: ${control.error}`);
        if (control.value.kind === "leader") epochs.push(offset);
      }
    });
    if (!second.ok) throw new Error(second.error.detail);
    return { audits, epochs };
  } finally {
    await client.close();
  }
}

const DECISIONS: readonly Audit["action"][] = ["release-brake", "accept-registry", "withdraw"];

/** What is wrong with it; empty when nothing is. */
export const faultsOf = (history: History): readonly string[] => {
  const acts = once(history.audits).filter(({ action }) => !DECISIONS.includes(action));
  return [...epochFaults(history), ...pairFaults(acts), ...startFaults(acts)];
};

/** A write whose answer was lost is written again: the same record, byte by byte, counts once. */
const once = (audits: readonly Audit[]): readonly Audit[] => [
  ...new Map(audits.map((audit) => [JSON.stringify(audit), audit])).values(),
];

function epochFaults({ audits, epochs }: History): readonly string[] {
  const faults: string[] = [];
  let last = -1;
  for (const { id, epoch } of audits) {
    if (epoch < last) faults.push(`${id}: epoch ${epoch} after ${last}`);
    if (!epochs.includes(epoch)) faults.push(`${id}: no leader announced epoch ${epoch}`);
    last = Math.max(last, epoch);
  }
  return faults;
}

function pairFaults(acts: readonly Audit[]): readonly string[] {
  const faults: string[] = [];
  const open = new Map<string, Audit>();
  const seen = new Set<string>();
  for (const audit of acts) {
    const { id, action, client_id: clientId } = audit;
    if (audit.phase === "intent") {
      if (seen.has(id)) faults.push(`${id}: two intents`);
      seen.add(id);
      open.set(id, audit);
      continue;
    }
    const intent = open.get(id);
    if (intent?.client_id !== clientId || intent?.action !== action) {
      faults.push(`${id}: an outcome of ${action} ${clientId} without its own, open intent`);
    }
    open.delete(id);
  }
  return faults;
}

/** For workers that never end by themselves. */
function startFaults(acts: readonly Audit[]): readonly string[] {
  const faults: string[] = [];
  const started = new Map<string | null, string>();
  for (const { id, phase, action, error, client_id: clientId } of acts) {
    if (action === "stop" && phase === "intent") started.delete(clientId);
    if (action !== "start" || phase === "intent" || error !== undefined) continue;
    const before = started.get(clientId);
    if (before !== undefined) faults.push(`${id}: ${clientId} runs already, started by ${before}`);
    started.set(clientId, id);
  }
  return faults;
}
