/** A control plane played by hand: ledger and quarantine written as the real one would. */

import { ensureTopics } from "../../shared/kafka/admin/topics.ts";
import type { OutRecord } from "../../shared/kafka/batch/record.ts";
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import { endOffsets } from "../../shared/kafka/consumer/offsets.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { REGISTRY, topicPlans } from "../../shared/protocol/topic.ts";
import { anApplied, appliedRecord } from "./given.ts";

const CALL = { deadlineMs: 20_000 };
const log = () => undefined;

export type PlayedControlPlane = {
  readonly write: (topic: string, records: readonly OutRecord[]) => Promise<void>;
  /** The registry is judged up to, not including, this offset. */
  readonly applied: (offset: number) => OutRecord;
  /** Answers the next registry record of this client, given its offset, until the returned function is called. */
  readonly answering: (
    id: string,
    answer: (offset: number) => Promise<void>,
  ) => Promise<() => Promise<void>>;
  readonly close: () => Promise<void>;
};

/** Makes all topics of the protocol. */
export async function playControlPlane(bootstrap: string): Promise<PlayedControlPlane> {
  const client = openKafkaClient({ clientId: "played", brokers: [bootstrap] }, { log });
  const producer = openProducer({ client, log });
  const made = await ensureTopics(client, topicPlans(6), { deadlineMs: 30_000 });
  if (!made.ok) throw new Error(made.error.detail);
  const topicId = made.value.find(({ name }) => name === REGISTRY)?.topicId ?? "";
  return {
    write: async (topic, records) => {
      const sent = await producer.send(topic, records, CALL);
      if (!sent.ok) throw new Error(sent.error.detail);
    },
    applied: (offset) => appliedRecord(anApplied(offset, { topic_id: topicId })),
    answering: async (id, answer) => {
      const ends = await endOffsets(client, REGISTRY, CALL);
      if (!ends.ok) throw new Error(ends.error.detail);
      const consumer = openConsumer({
        client,
        log,
        positions: [{ topic: REGISTRY, partition: 0, offset: ends.value.offsets.get(0) ?? 0 }],
        deliver: async ({ records }) => {
          const mine = records.find(({ key }) => key?.toString() === id);
          if (mine !== undefined) await answer(mine.offset);
        },
        problem: () => undefined,
      });
      return consumer.close;
    },
    close: client.close,
  };
}
