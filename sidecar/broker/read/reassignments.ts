/**
 * Which replicas here are being added by a reassignment (KIP-455). They are out of the ISR for as long as
 * the copy takes, hours where it is throttled, and that is no fault: Kafka's own count of under-replicated
 * partitions leaves them out. Asked only while a replica of ours is out of the ISR.
 *
 * A broker passes the question on to the controller and may hold it, so it has a connection of its own.
 * Without an answer nothing is known to be added.
 */
import {
  type Reassignments,
  reassignmentsRequest,
} from "../../../shared/kafka/api/list-partition-reassignments.ts";
import type { ClusterMetadata } from "../../../shared/kafka/api/metadata.ts";
import type { Reading } from "../snapshot.ts";
import { eachPartition, partitionName } from "../text.ts";
import type { RenewableConnection } from "./connection.ts";
import type { QuorumReaderOptions } from "./quorum.ts";
import type { RoundClock } from "./round-clock.ts";
import { openSingleFlight } from "./single-flight.ts";

/** How long a round waits for it. */
const WAIT_MS = 500;
const NOT_CONTROLLER = 41;
const NONE: ReadonlySet<string> = new Set();

/** Names of partitions, such as `orders-3`. */
export type AddingReader = (
  metadata: Reading<ClusterMetadata>,
  clock: RoundClock,
) => Promise<ReadonlySet<string>>;

export function openAddingReader(deps: {
  readonly brokerId: number;
  readonly connection: RenewableConnection;
  readonly monotonicMs: () => number;
  /** Asks the other brokers in turn. */
  readonly askAny: QuorumReaderOptions["askAny"];
}): AddingReader {
  const { brokerId, connection, monotonicMs, askAny } = deps;
  const question = openSingleFlight({ connection, request: reassignmentsRequest, monotonicMs });

  const ask = async (): Promise<ReadonlySet<string>> => {
    const own = await question.ask().answer;
    const answer =
      own.ok && own.value.errorCode === NOT_CONTROLLER
        ? await askAny(reassignmentsRequest(), WAIT_MS, ({ errorCode }) => errorCode === 0)
        : own;
    return answer.ok ? addingTo(answer.value, brokerId) : NONE;
  };

  return async (metadata, clock) => {
    if (metadata.kind !== "read" || !lacksOne(metadata.value, brokerId)) return NONE;
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
