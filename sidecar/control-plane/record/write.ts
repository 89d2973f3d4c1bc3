/**
 * The leader's writes, all with acks=all: ledger, audit, quarantine. Each is retried until it is
 * written or the term is over (`TermLost`), because nothing may be done that the ledger does not know.
 */
import type { Clock } from "../../../shared/clock.ts";
import type { OutRecord } from "../../../shared/kafka/batch/record.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Producer } from "../../../shared/kafka/producer/producer.ts";
import type { Audit } from "../../../shared/protocol/audit.ts";
import { appliedKey, encodeApplied, encodeStatus } from "../../../shared/protocol/ledger.ts";
import { quarantineHeaders, type Refused } from "../../../shared/protocol/quarantine.ts";
import { AUDIT, QUARANTINE, STATUS } from "../../../shared/protocol/topic.ts";
import { ALWAYS, isTransient, retry } from "../../../shared/retry.ts";
import { toStatus } from "../fleet/ledger.ts";
import type { LeaderState } from "../state/leader-state.ts";
import { auditRecord } from "./audit.ts";

/** Deadline of one attempt, in ms; then it is tried again. */
const WRITE_DEADLINE_MS = 10_000;
const RETRY = { baseMs: 100, maxMs: 5_000 } as const;

/** The term ended while a write waited; its leader writes nothing more. */
export class TermLost extends Error {
  constructor(reason: string) {
    super(`the term is over: ${reason}`);
    this.name = "TermLost";
  }
}

export type SaveOptions = {
  readonly producer: Producer;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly warn: (message: string, fields: Record<string, unknown>) => void;
  /** Called with the reason why nothing can be written; with undefined when a write has succeeded again. */
  readonly trouble: (error: KafkaError | undefined) => void;
};

/** Writes the records; resolves when all replicas have them. */
async function writeUntilDone(
  topic: string,
  records: readonly OutRecord[],
  options: SaveOptions,
): Promise<void> {
  const { producer, signal, clock, warn, trouble } = options;
  const lost = new TermLost(`${topic} was not written`);
  if (signal.aborted) throw lost;
  const call = { deadlineMs: WRITE_DEADLINE_MS, signal };
  const failed = (error: KafkaError, attempt: number) => {
    trouble({ ...error, detail: `${topic} cannot be written: ${error.detail}` });
    const detail = `could not write ${records.length} records to ${topic}; trying again`;
    warn(detail, { attempt, error: error.detail });
  };
  const policy = { ...RETRY, clock, again: ALWAYS, failed };
  const sent = await retry(() => producer.send(topic, records, call), policy, signal);
  if (!sent.ok) throw lost;
  trouble(undefined);
}

/** Changed clusters first, then `_applied`, so that everything that was judged is in the ledger. */
export async function saveLedger(
  leaderState: LeaderState,
  epoch: number,
  options: SaveOptions,
): Promise<void> {
  const records = [...ledgerRecords(leaderState, epoch)];
  if (records.length > 0) await writeUntilDone(STATUS, records, options);
}

function nextSequence(leaderState: LeaderState): number {
  leaderState.sequence += 1;
  return leaderState.sequence;
}

function* ledgerRecords(leaderState: LeaderState, epoch: number): Generator<OutRecord> {
  for (const clientId of leaderState.unsaved) {
    const cluster = leaderState.fleet.clusters.get(clientId);
    if (cluster === undefined) continue;
    cluster.epoch = epoch;
    const status = { ...toStatus(cluster, epoch), sequence: nextSequence(leaderState) };
    if (leaderState.actual.listed()) {
      yield { key: clientId, value: encodeStatus(status), partition: 0 };
    } else {
      // What the last leader knew about its worker may no longer be true, so it must not be believed.
      leaderState.savedUnlisted.add(clientId);
      yield { key: clientId, value: encodeStatus({ ...status, worker: null }), partition: 0 };
    }
  }
  leaderState.unsaved.clear();
  for (const partition of leaderState.unsavedApplied) {
    const applied = leaderState.fleet.applied.get(partition) ?? {
      topic_id: "",
      offset: 0,
      removed: true,
    };
    const value = encodeApplied({ ...applied, epoch, sequence: nextSequence(leaderState) });
    yield { key: appliedKey(partition), value, partition: 0 };
  }
  leaderState.unsavedApplied.clear();
}

export async function saveAudits(audits: readonly Audit[], options: SaveOptions): Promise<void> {
  if (audits.length > 0) await writeUntilDone(AUDIT, audits.map(auditRecord), options);
}

export async function saveQuarantine(
  refused: readonly Refused[],
  options: SaveOptions,
): Promise<void> {
  if (refused.length === 0) return;
  const { producer, signal, warn, clock } = options;
  const records = refused.map(toQuarantine);
  const call = { deadlineMs: WRITE_DEADLINE_MS, signal };
  const policy = { ...RETRY, clock, again: isTransient, triesMax: QUARANTINE_TRIES };
  const sent = await retry(() => producer.send(QUARANTINE, records, call), policy, signal);
  if (sent.ok) return;
  if (signal.aborted) throw new TermLost(`${QUARANTINE} was not written`);
  const { detail } = sent.error;
  const copies = `${refused.length} refused records to ${QUARANTINE}`;
  warn(`could not copy ${copies}; they stay where they are, and the fleet goes on`, { detail });
}

/** Refused records must never stop the topic: a copy that cannot be written is dropped. */
const QUARANTINE_TRIES = 5;

/** If the copy is too large for Kafka, it is written without key and value. */
const COPIED_BYTES_MAX = 512 * 1024;

function toQuarantine(refused: Refused): OutRecord {
  const headers = quarantineHeaders(refused);
  const { key, value } = refused;
  const bytes = (key?.byteLength ?? 0) + (value?.byteLength ?? 0) + headerBytes(headers);
  if (bytes <= COPIED_BYTES_MAX) return { key: copied(key), value: copied(value), headers };
  const { reason, detail, topic, partition, offset } = headers;
  const cut = `${detail} (not copied: ${bytes} bytes; read it at its place)`;
  return {
    key: null,
    value: null,
    headers: Object.fromEntries(
      Object.entries({ reason, detail: cut, topic, partition, offset }).map(([name, text]) => [
        name,
        text ?? "",
      ]),
    ),
  };
}

const copied = (bytes: Uint8Array | null): Buffer | null =>
  bytes === null ? null : Buffer.from(bytes);

const headerBytes = (headers: Readonly<Record<string, string>>): number =>
  Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + text.length * 3, 0);
