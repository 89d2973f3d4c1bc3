/**
 * The note of a claim (claim.ts), in Kafka: committed in the group `outrider-collect-<client id>`, for a topic
 * that agents may read anyway, else for the one that they write.
 */
import { allCommittedOffsets, commitOffsets } from "../../../shared/kafka/admin/groups.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import type { ClientId } from "../../../shared/protocol/client-id.ts";
import { STATUS } from "../../../shared/protocol/topic.ts";
import { ok, type Result } from "../../../shared/result.ts";
import { type Claim, claimNote, readClaim } from "./claim.ts";

const CALL_MS_MAX = 5000;
const PARTITION = 0;

type Answer<T> = Promise<Result<T, KafkaError>>;

export type ClaimNotes = {
  /** Of whoever wrote last; undefined: nobody yet. */
  readonly read: (signal: AbortSignal) => Answer<Claim | undefined>;
  readonly write: (claim: Claim, signal: AbortSignal) => Answer<null>;
};

const claimGroup = (clientId: ClientId): string => `outrider-collect-${clientId}`;

export function openClaimNotes(client: KafkaClient, clientId: ClientId, topic: string): ClaimNotes {
  const group = claimGroup(clientId);
  const call = (signal: AbortSignal) => ({ deadlineMs: CALL_MS_MAX, signal });
  let place = STATUS;
  const commit = ({ began, ...claim }: Claim, signal: AbortSignal) => {
    const note = claimNote({ began, ...claim });
    const partitions = [{ partition: PARTITION, offset: began, note }];
    return commitOffsets(client, group, [{ topic: place, partitions }], call(signal));
  };
  return {
    read: async (signal) => {
      const committed = await allCommittedOffsets(client, group, call(signal));
      if (!committed.ok) return committed;
      const found = committed.value
        .filter((each) => each.topic === STATUS || each.topic === topic)
        .flatMap(({ partitions }) => partitions)
        .flatMap(({ offset, note = "" }) => readClaim(offset, note) ?? []);
      // Written before and after there was a ledger: the later life counts.
      return ok(found.sort((one, other) => other.began - one.began)[0]);
    },
    write: async (claim, signal) => {
      const written = await commit(claim, signal);
      if (written.ok || written.error.code !== "unknown-topic" || place === topic) return written;
      place = topic;
      return await commit(claim, signal);
    },
  };
}
