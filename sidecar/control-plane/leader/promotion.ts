/**
 * Becomes leader, in this order: read ledger and control to their end, write our own `leader` record (its
 * offset is the epoch), fence, read the ledger to its end again (the previous leader may have written until
 * the fence), then read the registry beyond `_applied`. Nothing is planned before.
 */

import type { Clock } from "../../../shared/clock.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import type { PartitionOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import { endOffsets, startOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { Producer } from "../../../shared/kafka/producer/producer.ts";
import { encodeControl } from "../../../shared/protocol/control.ts";
import { type Applied, RULES } from "../../../shared/protocol/ledger.ts";
import { CONTROL, HEARTBEAT, REGISTRY } from "../../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../../shared/result.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Standby } from "../follow/standby.ts";
import type { Tail } from "../follow/tail.ts";
import type { RegistryHistory } from "../registry/admission.ts";
import { type FleetIdentity, refuseFleet } from "./identity.ts";

const CALL_MS = 10_000;

export type PromoteError = {
  /** `control-made-again` needs a person; the others are retried. */
  readonly code: "kafka" | "fenced" | "control-made-again" | "aborted" | "other-fleet";
  readonly detail: string;
  /** For `kafka`: Kafka's error. */
  readonly kafka?: KafkaError["code"];
  /** The registry partitions that are already followed, and whose records no term will handle. */
  readonly following?: readonly number[];
};

export type PromoteDeps = {
  readonly client: KafkaClient;
  readonly producer: Producer;
  readonly tail: Tail;
  readonly standby: Standby;
  readonly instance: string;
  readonly scope: string;
  readonly identity: FleetIdentity;
  readonly fence: () => Promise<Result<null, KafkaError>>;
  readonly clock: Clock;
  /** Called with every batch of the registry, from the first on. */
  readonly onRegistry: (batch: ReadBatch) => void | Promise<void>;
  readonly signal: AbortSignal;
};

export type RegistryStart = {
  readonly partition: number;
  readonly from: number;
  readonly applied: Applied;
  /** Its topic id is not the ledger's, or its end is below an offset that was judged. */
  readonly madeAgain: boolean;
  /** An operator accepted this registry in the previous term; that leader may not have acted on it. */
  readonly acceptedNow: boolean;
  /**
   * Records below this offset are history: written at an unknown time before we read the end. 0 if the
   * ledger says how far the partition was judged.
   */
  readonly historyEnd: number;
  /** That history was judged by older rules: only records that these refused can be new. */
  readonly wasJudged: boolean;
};

export type Promoted = {
  readonly epoch: number;
  readonly fleet: Fleet;
  readonly fencedAtMs: number;
  /** False if no control plane ever led: then there is no last act to wait for. */
  readonly hadPredecessor: boolean;
  readonly topicId: string;
  readonly registry: readonly RegistryStart[];
  readonly heartbeatPartitions: number;
  /** The end of each heartbeat partition, from which beats are read; none for a partition without a leader. */
  readonly heartbeatEnds: ReadonlyMap<number, number>;
};

const kafka = ({ code, detail }: KafkaError): PromoteError => ({
  code: "kafka",
  kafka: code,
  detail,
});
/**
 * If the epoch is below the ledger's, more records are written to pass it, at most this many; beyond that a
 * person is needed.
 */
const EPOCHS_PASSED_MAX = 1_000_000;
const RECORDS_AT_ONCE_MAX = 5_000;
const ABORTED: PromoteError = { code: "aborted", detail: "the term ended meanwhile" };

export async function promote(deps: PromoteDeps): Promise<Result<Promoted, PromoteError>> {
  const { standby, signal } = deps;
  const before = await standby.caughtUp(signal);
  if (!before.ok) return err(before.error === "aborted" ? ABORTED : kafka(before.error));
  const refused = refuseFleet(deps.identity, standby.lastFleet());
  if (refused !== undefined) return err({ code: "other-fleet", detail: refused });
  const hadPredecessor = standby.lastLeader() !== undefined || standby.fleet().epoch >= 0;
  const epoch = await writeLeader(deps, standby.fleet().epoch);
  if (!epoch.ok) return epoch;
  const fencedAtMs = deps.clock.monotonicMs();
  const fenced = await deps.fence();
  if (!fenced.ok) return err({ code: "fenced", detail: fenced.error.detail });
  const after = await standby.caughtUp(signal);
  if (!after.ok) return err(after.error === "aborted" ? ABORTED : kafka(after.error));
  const fleet = standby.fleet();
  if (fleet.epoch >= epoch.value) return err(overtaken(fleet.epoch, epoch.value));
  const heartbeatEnds = await endOffsets(deps.client, HEARTBEAT, { deadlineMs: CALL_MS, signal });
  if (!heartbeatEnds.ok) return err(kafka(heartbeatEnds.error));
  const registry = await readRegistry(deps, fleet, epoch.value);
  if (!registry.ok) return registry;
  return ok({
    epoch: epoch.value,
    fleet,
    fencedAtMs,
    hadPredecessor,
    ...registry.value,
    heartbeatPartitions: heartbeatEnds.value.offsets.size + heartbeatEnds.value.errors.size,
    heartbeatEnds: heartbeatEnds.value.offsets,
  });
}

/**
 * The epoch is the record's offset, and never decreases: if cluster.control was recreated, the record is
 * repeated until its offset is above the ledger's epoch.
 */
async function writeLeader(
  deps: PromoteDeps,
  ledgerEpoch: number,
): Promise<Result<number, PromoteError>> {
  const { instance, scope, identity, signal, producer } = deps;
  const fleet = identity.name;
  const record = {
    ...encodeControl({ kind: "leader", leader: { instance, scope, fleet } }),
    partition: 0,
  };
  for (let count = 1; ; ) {
    const records = Array.from({ length: count }, () => record);
    const sent = await producer.send(CONTROL, records, { deadlineMs: CALL_MS, signal });
    if (!sent.ok) return err(kafka(sent.error));
    const epoch = sent.value.at(-1)?.offset;
    if (epoch === undefined) return err(ABORTED);
    const behind = ledgerEpoch - epoch;
    if (behind < 0) return ok(epoch);
    if (behind > EPOCHS_PASSED_MAX) return err(madeAgain(ledgerEpoch, epoch));
    count = Math.min(RECORDS_AT_ONCE_MAX, behind + 1);
  }
}

/** Begins to follow every registry partition at the offset that the ledger has, and reads it to its end. */
async function readRegistry(
  deps: PromoteDeps,
  fleet: Fleet,
  epoch: number,
): Promise<Result<Pick<Promoted, "topicId" | "registry">, PromoteError>> {
  const { client, tail, signal } = deps;
  const call = { deadlineMs: CALL_MS, signal };
  const metadata = await client.metadata([REGISTRY], call);
  if (!metadata.ok) return err(kafka(metadata.error));
  const topicId = metadata.value.topics[0]?.topicId ?? "";
  const starts = await startOffsets(client, REGISTRY, call);
  if (!starts.ok) return err(kafka(starts.error));
  const ends = await endOffsets(client, REGISTRY, call);
  if (!ends.ok) return err(kafka(ends.error));
  const missing = [...starts.value.errors, ...ends.value.errors][0];
  if (missing !== undefined) return err(kafka(missing[1]));
  const accepted = deps.standby.acceptedRegistries();
  const from = registryStarts({ fleet, topicId, epoch, accepted }, starts.value, ends.value);
  for (const { partition, from: offset } of from) {
    tail.follow(REGISTRY, partition, offset, deps.onRegistry);
  }
  for (const { partition } of from) {
    const end = ends.value.offsets.get(partition) ?? 0;
    const reached = await tail.reached(REGISTRY, partition, end, signal);
    if (!reached.ok) {
      return err({ ...ABORTED, following: from.map((start) => start.partition) });
    }
  }
  return ok({ topicId, registry: from });
}

type Known = {
  readonly fleet: Fleet;
  readonly topicId: string;
  readonly epoch: number;
  readonly accepted: ReadonlyMap<string, number>;
};

/** Pure: from where each partition is read, and whether the registry is the one that the ledger knows. */
export const registryStarts = (
  known: Known,
  starts: PartitionOffsets,
  ends: PartitionOffsets,
): readonly RegistryStart[] =>
  [...ends.offsets].map(([partition, end]) => {
    const applied = known.fleet.applied.get(partition);
    const start = starts.offsets.get(partition) ?? 0;
    return { partition, ...registryStart(known, applied, { start, end }) };
  });

function registryStart(
  { topicId, epoch, accepted }: Known,
  applied: Applied | undefined,
  { start, end }: { readonly start: number; readonly end: number },
): Omit<RegistryStart, "partition"> {
  /** An acceptance from before the ledger's last record about this registry was for an earlier loss. */
  const isAccepted = (accepted.get(topicId) ?? -1) > (applied?.epoch ?? 0);
  const base = { topic_id: topicId, epoch, rules: RULES };
  const fromStart = { from: start, historyEnd: end, wasJudged: false, acceptedNow: false };
  if (applied === undefined) {
    return { ...fromStart, madeAgain: false, applied: { ...base, offset: start } };
  }
  if (applied.topic_id !== topicId || applied.offset > end) {
    return { ...fromStart, madeAgain: true, applied: { ...base, offset: start, held: true } };
  }
  const wasJudged = (applied.rules ?? 1) < RULES;
  const from = wasJudged ? start : Math.max(start, applied.offset);
  const historyEnd = wasJudged ? applied.offset : 0;
  const held = applied.held === true && !isAccepted ? { held: true } : {};
  return {
    ...{ from, historyEnd, wasJudged, madeAgain: false, acceptedNow: isAccepted },
    applied: { ...base, offset: from, ...held },
  };
}

export const historyOf = (starts: readonly RegistryStart[]): RegistryHistory => ({
  ends: new Map(starts.map(({ partition, historyEnd }) => [partition, historyEnd])),
  judged: new Set(starts.flatMap(({ partition, wasJudged }) => (wasJudged ? [partition] : []))),
});

function madeAgain(ledgerEpoch: number, epoch: number): PromoteError {
  return {
    code: "control-made-again",
    detail:
      `the ledger (cluster.status) was written in epoch ${ledgerEpoch}, but the next epoch of ` +
      `cluster.control is ${epoch}: cluster.control was recreated, and more than ` +
      `${EPOCHS_PASSED_MAX} epochs are missing. Not leading. Restore cluster.control`,
  };
}

function overtaken(ledgerEpoch: number, epoch: number): PromoteError {
  const detail = `the ledger was written in epoch ${ledgerEpoch} while epoch ${epoch} was promoted`;
  return { code: "fenced", detail };
}
