/** Follows the heartbeat partitions from their ends at promotion; a partition without a leader is added later. */
import { sleep } from "../../../shared/clock.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { endOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import { HEARTBEAT } from "../../../shared/protocol/topic.ts";
import type { Tail } from "../follow/tail.ts";
import type { Promoted } from "./promotion.ts";
import type { Term } from "./term.ts";

const CALL_MS = 5_000;
const RETRY_MS = 2_000;

/** Returns a function that ends it. */
export function followHeartbeats(deps: {
  readonly client: KafkaClient;
  readonly tail: Tail;
  readonly promoted: Promoted;
  readonly term: Term;
}): () => void {
  const { tail, promoted, term, client } = deps;
  const stopped = new AbortController();
  const follow = (partition: number, offset: number): void => {
    tail.follow(HEARTBEAT, partition, offset, term.onHeartbeats);
  };
  const missing = new Set<number>();
  for (let partition = 0; partition < promoted.heartbeatPartitions; partition += 1) {
    const end = promoted.heartbeatEnds.get(partition);
    if (end === undefined) missing.add(partition);
    else follow(partition, end);
  }
  /**
   * Earlier beats there are not read: while it was missing, the joint clock stood still, so none of its
   * clusters aged.
   */
  const lookAgain = async (): Promise<void> => {
    const call = { deadlineMs: CALL_MS, signal: stopped.signal };
    while (missing.size > 0 && !stopped.signal.aborted) {
      await sleep(RETRY_MS, stopped.signal);
      const ends = await endOffsets(client, HEARTBEAT, call);
      if (!ends.ok || stopped.signal.aborted) continue;
      for (const [partition, end] of ends.value.offsets) {
        if (missing.delete(partition)) follow(partition, end);
      }
    }
  };
  void lookAgain();
  return () => {
    stopped.abort();
    for (let partition = 0; partition < promoted.heartbeatPartitions; partition += 1) {
      tail.unfollow(HEARTBEAT, partition);
    }
  };
}
