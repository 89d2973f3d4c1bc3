/** Consumer groups as workers leave them: committed offsets, and no member. */
import { committedOffsets } from "../../shared/kafka/admin/groups.ts";
import { commitRequest } from "../../shared/kafka/api/group.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { CLUSTER_INFO } from "../../shared/protocol/topic.ts";
import { until } from "../bed/condition.ts";

const CALL = { deadlineMs: 5_000 } as const;
const COMMIT_MS = 30_000;

export type Groups = {
  /** Commits this offset of partition 0 as the cluster's group; the group is made by it. */
  readonly commit: (clientId: string, offset: number) => Promise<void>;
  /** Of partition 0; undefined when there is no such group, or it committed nothing. */
  readonly committed: (clientId: string) => Promise<number | undefined>;
  /** Records committed in all partitions; 0 when there is no such group. */
  readonly committedSum: (clientId: string) => Promise<number>;
  readonly close: () => Promise<void>;
};

export function openGroups(bootstrap: string): Groups {
  const log = () => undefined;
  const client = openKafkaClient(
    { clientId: "test-groups", brokers: bootstrap.split(",") },
    { log },
  );
  const read = async (clientId: string, partitions: readonly number[]) => {
    const group = `kg-builder-${clientId}`;
    const offsets = await committedOffsets(client, group, CLUSTER_INFO, partitions, CALL);
    if (!offsets.ok) throw new Error(offsets.error.detail);
    return offsets.value;
  };
  return {
    commit: async (clientId, offset) => {
      const groupId = `kg-builder-${clientId}`;
      const member = { groupId, generation: -1, memberId: "" };
      const request = commitRequest(member, CLUSTER_INFO, [{ partition: 0, offset }], "test");
      await until(
        `a commit of ${groupId}`,
        async () => {
          const answer = await client.toCoordinator(groupId, request, CALL);
          if (answer.ok && answer.value === 0) return true;
          client.forgetCoordinator(groupId);
          throw new Error(answer.ok ? `error code ${answer.value}` : answer.error.detail);
        },
        { deadlineMs: COMMIT_MS },
      );
    },
    committed: async (clientId) => (await read(clientId, [0])).get(0),
    committedSum: async (clientId) =>
      [...(await read(clientId, [0, 1, 2])).values()].reduce((sum, offset) => sum + offset, 0),
    close: () => client.close(),
  };
}
