/**
 * What every control plane knows without leading: the ledger, folded, and `cluster.control`.
 * A leader takes the fleet over and changes it; when its term ends, the ledger is read again.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import {
  endOffsets,
  type PartitionOffsets,
  startOffsets,
} from "../../../shared/kafka/consumer/offsets.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { type ControlRecord, decodeControl } from "../../../shared/protocol/control.ts";
import { decodeLedger, type LedgerRecord } from "../../../shared/protocol/ledger.ts";
import { CONTROL, HEARTBEAT, STATUS } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import { createFleet, type Fleet } from "../fleet/fleet.ts";
import { foldLedger } from "../fleet/ledger.ts";
import { describe } from "../registry/admission.ts";
import { openLeaderWatch, type SeenTick } from "./leader-watch.ts";
import type { Tail } from "./tail.ts";

/** Deadline of one call to Kafka, in ms. */
const CALL_MS = 10_000;

export type ControlEntry = { readonly offset: number; readonly record: ControlRecord };

export type Standby = {
  readonly fleet: () => Fleet;
  /** The offset of the newest `leader` record; undefined before any. */
  readonly lastLeader: () => number | undefined;
  /**
   * The fleet of the last leader; undefined before any, or if it did not say. Kept while `cluster.control`
   * is read again, because the ledger still belongs to that fleet.
   */
  readonly lastFleet: () => string | undefined;
  /** The newest tick of another leader, while we do not lead; undefined before any. */
  readonly leaderTick: () => SeenTick | undefined;
  /** Topic ids that an operator accepted, each with the offset of that record. */
  readonly acceptedRegistries: () => ReadonlyMap<string, number>;
  /** Called with each control record as it is read. */
  readonly onControl: (listener: ((entry: ControlEntry) => void) | undefined) => void;
  /** From now on a leader owns the fleet: until `restart`, ledger records are only passed to it. */
  readonly takeOver: (onLedger: (record: LedgerRecord) => void) => void;
  /** The ledger's topic was recreated: follow it from there on. */
  readonly rereadLedger: (offset: number) => void;
  /** Begins to read both topics from their start, with an empty fleet, and ticks from the end. */
  readonly restart: () => Promise<Result<null, KafkaError>>;
  /** Resolves when both have been read to their present end. */
  readonly caughtUp: (signal: AbortSignal) => Promise<Result<null, KafkaError | "aborted">>;
  /** True once a ledger has been read to its end. */
  readonly ready: () => boolean;
};

export function openStandby(options: {
  readonly client: KafkaClient;
  readonly tail: Tail;
  readonly warn: (message: string, fields: Record<string, unknown>) => void;
  readonly clock: Clock;
}): Standby {
  const { client, tail, warn } = options;
  let fleet = createFleet();
  let last: { readonly offset?: number; readonly fleet: string | undefined } = { fleet: undefined };
  let ready = false;
  let listener: ((entry: ControlEntry) => void) | undefined;
  let leading: ((record: LedgerRecord) => void) | undefined;
  const accepted = new Map<string, number>();

  const leaderWatch = openLeaderWatch({ ...options, lastLeader: () => last.offset });

  const refuse = (topic: string, error: string): void => {
    warn(`ignored a record of ${topic} that is not ours`, { error });
  };

  const foldStatus = ({ records }: ReadBatch): void => {
    for (const { key, value } of records) {
      const read = decodeLedger(key, value);
      if (!read.ok) refuse(STATUS, read.error);
      else if (leading === undefined) foldLedger(fleet, read.value, describe);
      else leading(read.value);
    }
  };

  const foldControl = ({ records }: ReadBatch): void => {
    for (const { key, value, offset } of records) {
      const read = decodeControl(key, value);
      if (!read.ok) {
        refuse(CONTROL, read.error);
        continue;
      }
      const record = read.value;
      if (record.kind === "leader") last = { offset, fleet: record.leader.fleet };
      if (record.kind === "accept-registry") {
        accepted.set(record.acceptRegistry.topic_id, offset);
      }
      listener?.({ offset, record });
    }
  };

  const restart = async (): Promise<Result<null, KafkaError>> => {
    const starts = await placesToStart(client);
    if (!starts.ok) return starts;
    const { status, control, ticks } = starts.value;
    fleet = createFleet();
    last = { fleet: last.fleet };
    leading = undefined;
    accepted.clear();
    tail.follow(STATUS, 0, status, foldStatus);
    tail.follow(CONTROL, 0, control, foldControl);
    leaderWatch.follow(ticks);
    return ok(null);
  };

  const caughtUp: Standby["caughtUp"] = async (signal) => {
    for (const topic of [STATUS, CONTROL]) {
      const reached = await readToPresentEnd(client, tail, topic, signal);
      if (!reached.ok) return reached;
    }
    ready = true;
    return ok(null);
  };

  return {
    fleet: () => fleet,
    lastLeader: () => last.offset,
    lastFleet: () => last.fleet,
    leaderTick: leaderWatch.seen,
    acceptedRegistries: () => accepted,
    onControl: (next) => {
      listener = next;
    },
    takeOver: (onLedger) => {
      leading = onLedger;
    },
    rereadLedger: (offset) => tail.follow(STATUS, 0, offset, foldStatus),
    restart,
    caughtUp,
    ready: () => ready,
  };
}

type Places = {
  readonly status: number;
  readonly control: number;
  readonly ticks: PartitionOffsets;
};

async function placesToStart(client: KafkaClient): Promise<Result<Places, KafkaError>> {
  const call = { deadlineMs: CALL_MS };
  const statusStarts = await startOffsets(client, STATUS, call);
  if (!statusStarts.ok) return statusStarts;
  const status = offsetOf(statusStarts.value, STATUS);
  if (!status.ok) return status;
  const controlStarts = await startOffsets(client, CONTROL, call);
  if (!controlStarts.ok) return controlStarts;
  const control = offsetOf(controlStarts.value, CONTROL);
  if (!control.ok) return control;
  const ticks = await endOffsets(client, HEARTBEAT, call);
  if (!ticks.ok) return ticks;
  return ok({ status: status.value, control: control.value, ticks: ticks.value });
}

/** The end of partition 0. */
function offsetOf(
  { offsets, errors }: PartitionOffsets,
  topic: string,
): Result<number, KafkaError> {
  const offset = offsets.get(0);
  if (offset !== undefined) return ok(offset);
  const detail = `${topic}-0 has no leader`;
  return err(errors.get(0) ?? { code: "not-leader", retry: "transient", detail });
}

async function readToPresentEnd(
  client: KafkaClient,
  tail: Tail,
  topic: string,
  signal: AbortSignal,
): Promise<Result<null, KafkaError | "aborted">> {
  const ends = await endOffsets(client, topic, { deadlineMs: CALL_MS, signal });
  if (!ends.ok) return ends;
  const end = offsetOf(ends.value, topic);
  if (!end.ok) return end;
  return await tail.reached(topic, 0, end.value, signal);
}
