/**
 * Which replicas here are being added by a reassignment (KIP-455). They are out of the ISR while they are
 * being copied, for hours if that is throttled. This is no fault: Kafka's own count of under-replicated
 * partitions leaves them out. Asked only while a replica of ours is out of the ISR.
 *
 * A broker forwards the question to the controller and may take long to answer, so it has a connection of
 * its own, which is closed when it was not needed for a while. Without an answer no replica counts as being
 * added.
 */

import type { Clock } from "../../../shared/clock.ts";
import {
  type Reassignments,
  reassignmentsRequest,
} from "../../../shared/kafka/api/list-partition-reassignments.ts";
import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { kafkaCode } from "../../../shared/kafka/error-code.ts";
import type { Result } from "../../../shared/result.ts";
import type { Reading } from "../snapshot.ts";
import { eachPartition, partitionName } from "../text.ts";
import type { RenewableConnection } from "./connection.ts";
import type { QuorumReaderOptions } from "./quorum.ts";
import type { RoundClock } from "./round-clock.ts";
import { openSingleFlight } from "./single-flight.ts";

/** How long a round waits for the answer. */
const WAIT_MS = 500;
/** How often to ask again after a missing permission: Kafka logs each refusal. */
const REFUSED_MS = 15_000;
/** How long the unused connection is kept: a replica may leave the ISR and return repeatedly. */
const IDLE_MS = 60_000;
const NONE: ReadonlySet<string> = new Set();

/** Names of partitions, such as `orders-3`. */
export type AddingReader = (
  metadata: Reading<ClusterMetadata>,
  clock: RoundClock,
) => Promise<ReadonlySet<string>>;

export function openAddingReader(deps: {
  readonly brokerId: number;
  readonly connection: RenewableConnection;
  readonly clock: Clock;
  /** Asks the other brokers one after the other. */
  readonly askAny: QuorumReaderOptions["askAny"];
}): AddingReader {
  const { brokerId, connection, askAny } = deps;
  const { monotonicMs } = deps.clock;
  const question = openSingleFlight({ ...deps, request: reassignmentsRequest });
  /** The question to the others is awaited over several rounds, as is the one to the broker. */
  let askingOthers: Promise<Result<Reassignments, KafkaError>> | undefined;
  let refusedMs = Number.NEGATIVE_INFINITY;
  let neededMs = Number.NEGATIVE_INFINITY;

  const askOthers = (): Promise<Result<Reassignments, KafkaError>> => {
    const serves = ({ errorCode }: Reassignments) => errorCode === 0;
    askingOthers ??= askAny(reassignmentsRequest(), WAIT_MS, serves).finally(() => {
      askingOthers = undefined;
    });
    return askingOthers;
  };

  const ask = async (): Promise<ReadonlySet<string>> => {
    const own = await question.ask().answer;
    const isElsewhere = own.ok && own.value.errorCode === kafkaCode("NOT_CONTROLLER");
    const answer = isElsewhere ? await askOthers() : own;
    if (!answer.ok) return NONE;
    if (answer.value.errorCode === kafkaCode("CLUSTER_AUTHORIZATION_FAILED"))
      refusedMs = monotonicMs();
    return addingTo(answer.value, brokerId);
  };

  return async (metadata, clock) => {
    if (metadata.kind !== "read") return NONE;
    if (!lacksOne(metadata.value, brokerId)) {
      if (monotonicMs() - neededMs > IDLE_MS) connection.drop("no replica is out of the ISR");
      return NONE;
    }
    neededMs = monotonicMs();
    if (neededMs - refusedMs < REFUSED_MS) return NONE;
    const late = clock.after(clock.observedMs() + WAIT_MS).then(() => NONE);
    return (await clock.within(Promise.race([ask(), late]))) ?? NONE;
  };
}

const addingTo = ({ errorCode, rows }: Reassignments, brokerId: number): ReadonlySet<string> =>
  errorCode !== 0
    ? NONE
    : new Set(rows.filter(({ adding }) => adding.includes(brokerId)).map(partitionName));

function lacksOne(cluster: ClusterMetadata, brokerId: number): boolean {
  let lacks = false;
  eachPartition(cluster, ({ replicas, isr }) => {
    if (replicas.includes(brokerId) && !isr.includes(brokerId)) lacks = true;
  });
  return lacks;
}
