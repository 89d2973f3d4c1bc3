/** How far a cluster's worker is behind: asked on demand, with a deadline. */
import { committedOffsets } from "../../../shared/kafka/admin/groups.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import { endOffsets } from "../../../shared/kafka/consumer/offsets.ts";
import { type ClientId, groupOf } from "../../../shared/protocol/client-id.ts";
import { CLUSTER_INFO } from "../../../shared/protocol/topic.ts";
import type { Lag } from "./cluster.ts";

const CALL_MS = 2_000;

export async function lagOf(client: KafkaClient, clientId: ClientId): Promise<Lag> {
  const call = { deadlineMs: CALL_MS };
  const ends = await endOffsets(client, CLUSTER_INFO, call);
  if (!ends.ok) return { records: null, detail: ends.error.detail };
  const partitions = [...ends.value.offsets.keys()];
  const committed = await committedOffsets(
    client,
    groupOf(clientId),
    CLUSTER_INFO,
    partitions,
    call,
  );
  if (!committed.ok) return { records: null, detail: committed.error.detail };
  if (committed.value.size === 0) return { records: null, detail: "nothing committed yet" };
  let records = 0;
  for (const [partition, end] of ends.value.offsets) {
    records += Math.max(0, end - (committed.value.get(partition) ?? 0));
  }
  return { records, detail: `${CLUSTER_INFO}, ${partitions.length} partitions` };
}
