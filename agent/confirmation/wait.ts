/**
 * `--wait`: reads the control plane's answer from partition 0 of the ledger, with plain Fetch requests and
 * no group: joining one costs 3 s and one more permission.
 *
 * The start position is noted before our record is written, so that no answer can be missed.
 */

import { sleep } from "../../shared/clock.ts";
import type { Call, Deadline } from "../../shared/deadline.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import type { ReadBatch, ReadProblem } from "../../shared/kafka/consumer/delivery.ts";
import { endOffsets } from "../../shared/kafka/consumer/offsets.ts";
import type { KafkaError } from "../../shared/kafka/error.ts";
import type { KafkaLog } from "../../shared/kafka/log.ts";
import { type Place, readQuarantineHeaders } from "../../shared/protocol/quarantine.ts";
import { QUARANTINE, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { err, ok, type Result } from "../../shared/result.ts";
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
    endOf(client, STATUS, call),
    endOf(client, QUARANTINE, call),
  ]);
  if (!status.ok) return status;
  return ok({
    status: status.value ?? 0,
    statusExists: status.value !== undefined,
    quarantine: quarantine.ok ? (quarantine.value ?? 0) : undefined,
  });
}

/** The end of partition 0; undefined when there is no such topic. */
async function endOf(
  client: KafkaClient,
  topic: string,
  call: Call,
): Promise<Result<number | undefined, KafkaError>> {
  const found = await endOffsets(client, topic, call);
  if (!found.ok) return found.error.code === "unknown-topic" ? ok(undefined) : found;
  const failure = found.value.errors.get(0);
  return failure === undefined ? ok(found.value.offsets.get(0)) : err(failure);
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
  const final = Promise.withResolvers<Waited>();
  const consumer = readTopic(reading, STATUS, start.status, {
    deliver: ({ records }) => {
      trouble = undefined;
      for (const record of records) evidence = foldEvidence(evidence, target, record);
      const judgement = judge(target, evidence);
      if (judgement.kind !== "open") final.resolve(judgement);
    },
    problem: (problem) => {
      if (problem.kind === "topic-missing") trouble = NEVER_RUN;
      if (problem.kind === "recovered") trouble = undefined;
      if (problem.kind !== "unreachable") return;
      trouble = `the ledger could not be read: ${problem.error.detail}`;
      if (problem.error.retry === "terminal") {
        final.resolve({ kind: "failed", error: problem.error });
      }
    },
  });
  const { deadline } = reading;
  const atDeadline = sleep(deadline.leftMs(), deadline.signal).then((): Waited => {
    const judgement = judge(target, evidence);
    return trouble === undefined ? judgement : { kind: "open", detail: trouble };
  });
  const waited = await Promise.race([final.promise, atDeadline]);
  await consumer.close();
  return waited;
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
  const found = Promise.withResolvers<Place | undefined>();
  const consumer = readTopic(reading, QUARANTINE, start.quarantine, {
    deliver: ({ records, nextOffset, highWatermark }) => {
      const places = records.map((record) => readQuarantineHeaders(record.headers()));
      const ours = places.find((place) => place !== undefined && isOurs(place));
      if (ours !== undefined || nextOffset >= highWatermark) found.resolve(ours);
    },
    problem: (problem) => {
      const isMissing = problem.kind === "topic-missing";
      const isFinal = problem.kind === "unreachable" && problem.error.retry === "terminal";
      if (isMissing || isFinal) found.resolve(undefined);
    },
  });
  const call = reading.deadline.call(REASON_MS_MAX);
  const place = await Promise.race([found.promise, sleep(call.deadlineMs, call.signal)]);
  await consumer.close();
  return place ?? undefined;
}

/** Partition 0 from an offset on; if that offset is gone, from the topic's present start. */
function readTopic(
  { client, log }: Reading,
  topic: string,
  offset: number,
  on: {
    readonly deliver: (batch: ReadBatch) => void;
    readonly problem: (problem: ReadProblem) => void;
  },
) {
  const consumer = openConsumer({
    client,
    log,
    positions: [{ topic, partition: 0, offset }],
    deliver: on.deliver,
    problem: (problem) => {
      if (problem.kind === "offset-out-of-range") {
        consumer.add({ topic, partition: 0, offset: problem.startOffset });
      }
      if (problem.kind === "topic-recreated") consumer.add({ topic, partition: 0, offset: 0 });
      on.problem(problem);
    },
  });
  return consumer;
}
