/** Following the heartbeat partitions from where they ended at promotion; one without a leader joins later. */
import { sleep } from "../../../shared/clock.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { endOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import { HEARTBEAT } from "../../../shared/protocol/topic.ts";
import type { Tail } from "../follow/tail.ts";
import type { Promoted } from "./promotion.ts";
import type { Term } from "./term.ts";

const CALL_MS = 5_000;
const RETRY_MS = 2_000;

/** Returns what ends it. */
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
  /** Its beats of meanwhile are not read: the joint clock has not advanced for anybody there. */
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
