/**
 * `--wait`: reads the control plane's answer from partition 0 of the ledger, with plain Fetch requests and
 * no group: joining one costs 3 s and one more permission.
 *
 * The start position is noted before our record is written, so that no answer can be missed.
 */

import type { Call, Deadline } from "../../shared/deadline.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import { firstEnd } from "../../shared/kafka/consumer/offsets.ts";
import { readUntil } from "../../shared/kafka/consumer/read-until.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { KafkaLog } from "../../shared/kafka/log.ts";
import { type Place, readQuarantineHeaders } from "../../shared/protocol/quarantine.ts";
import { QUARANTINE, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { ok, type Result } from "../../shared/result.ts";
import {
  type Confirm,
  type Confirmation,
  confirm,
  foldEvidence,
  NO_EVIDENCE,
  type Target,
} from "./confirmation.ts";

/** The quarantine is written before the ledger, so the reason is there; this limits a slow read. */
const REASON_MS_MAX = 5000;
const NEVER_RUN = "no control plane has ever run on this Kafka: there is no topic cluster.status";

/** Where the answers begin; 0 in a topic that does not exist yet. */
export type Start = {
  readonly status: number;
  readonly statusExists: boolean;
  /** Undefined when we may not read it. */
  readonly quarantine: number | undefined;
};

export type Waited =
  | Confirmation
  /** We may not read the ledger. */
  | { readonly kind: "failed"; readonly error: KafkaError };

type Reading = {
  readonly client: KafkaClient;
  readonly log: KafkaLog;
  readonly deadline: Deadline;
};

export async function findStart(
  client: KafkaClient,
  call: Call,
): Promise<Result<Start, KafkaError>> {
  const [status, quarantine] = await Promise.all([
    firstEnd(client, STATUS, call),
    firstEnd(client, QUARANTINE, call),
  ]);
  if (!status.ok) return status;
  return ok({
    status: status.value ?? 0,
    statusExists: status.value !== undefined,
    quarantine: quarantine.ok ? (quarantine.value ?? 0) : undefined,
  });
}

/** The confirmation; at the deadline an open one that says what is known. */
export async function awaitAnswer(
  reading: Reading,
  target: Target,
  start: Start,
  judge: Confirm = confirm,
): Promise<Waited> {
  let evidence = NO_EVIDENCE;
  let trouble = start.statusExists ? undefined : NEVER_RUN;
  const from = [{ topic: STATUS, partition: 0, offset: start.status }];
  const final = await readUntil<Waited>(reading, from, reading.deadline.call(), {
    deliver: ({ records }, found) => {
      trouble = undefined;
      for (const record of records) evidence = foldEvidence(evidence, target, record);
      const judgement = judge(target, evidence);
      if (judgement.kind !== "open") found(judgement);
    },
    problem: (problem, found) => {
      if (problem.kind === "topic-missing") trouble = NEVER_RUN;
      if (problem.kind === "recovered") trouble = undefined;
      if (problem.kind !== "unreachable") return;
      trouble = `the ledger could not be read: ${problem.error.detail}`;
      if (problem.error.retry === "terminal") found({ kind: "failed", error: problem.error });
    },
  });
  if (final !== undefined) return final;
  return trouble === undefined ? judge(target, evidence) : { kind: "open", detail: trouble };
}

/** Why our record was refused, or undefined when the quarantine does not say. */
export async function findReason(
  reading: Reading,
  target: Target,
  start: Start,
): Promise<Place | undefined> {
  if (start.quarantine === undefined) return undefined;
  const isOurs = ({ topic, partition, offset }: Place) =>
    topic === REGISTRY && partition === target.partition && offset === target.offset;
  const from = [{ topic: QUARANTINE, partition: 0, offset: start.quarantine }];
  const call = reading.deadline.call(REASON_MS_MAX);
  return await readUntil<Place | undefined>(reading, from, call, {
    deliver: ({ records, nextOffset, highWatermark }, found) => {
      const places = records.map((record) => readQuarantineHeaders(record.headers()));
      const ours = places.find((place) => place !== undefined && isOurs(place));
      if (ours !== undefined || nextOffset >= highWatermark) found(ours);
    },
    problem: (problem, found) => {
      const isMissing = problem.kind === "topic-missing";
      const isFinal = problem.kind === "unreachable" && problem.error.retry === "terminal";
      if (isMissing || isFinal) found(undefined);
    },
  });
}
