/** A Kafka of one broker, played on the wire: what its topics look like, and what it refuses. */
import { sleep } from "../../shared/clock.ts";
import type { Call } from "../../shared/deadline.ts";
import { ByteReader, ByteWriter } from "../../shared/kafka/api/bytes.ts";
import type { TopicMetadata } from "../../shared/kafka/api/metadata.ts";
import type { KafkaRequest } from "../../shared/kafka/api/request.ts";
import type { OutRecord } from "../../shared/kafka/batch/record.ts";
import type { KafkaClient } from "../../shared/kafka/cluster/client.ts";
import { timeoutError } from "../../shared/kafka/error.ts";
import type { Fields } from "../../shared/log.ts";
import { err, ok } from "../../shared/result.ts";

const CREATE_TOPICS = 19;
const UNKNOWN_TOPIC = 3;
const BROKER = { id: 1, host: "played", port: 1, rack: null };
const POLICY = ["cleanup.policy", "compact"] as const;
const NO_LEADER = -1;

/** A topic by the leaders of its partitions; -1 is none. */
export const aTopic = (name: string, leaders: readonly number[]): TopicMetadata => ({
  name,
  topicId: `id of ${name}`,
  errorCode: 0,
  isInternal: false,
  partitions: leaders.map((leader, partition) => ({
    partition,
    leader,
    leaderEpoch: 1,
    replicas: [1],
    isr: [1],
    offlineReplicas: [],
    errorCode: leader === NO_LEADER ? 5 : 0,
  })),
});

export type Played = {
  readonly topics: readonly TopicMetadata[];
  /** Metadata of these is never answered. */
  readonly silent?: readonly string[];
  /** Error code of CreateTopics by topic; one that is not here is made, with a leader. */
  readonly refusals?: Readonly<Record<string, number>>;
  /** Error code of DescribeConfigs. */
  readonly configCode?: number;
};

export function playKafka(played: Played) {
  const topics = new Map(played.topics.map((topic) => [topic.name, topic]));
  const said: { readonly level: "warn" | "debug"; readonly message: string; fields: Fields }[] = [];
  const sent: OutRecord[] = [];

  const metadata: KafkaClient["metadata"] = async (names, call) => {
    const asked = names === "all" ? [...topics.keys()] : names;
    if (asked.some((name) => played.silent?.includes(name))) {
      await sleep(call.deadlineMs, call.signal);
      return err(timeoutError("ask for metadata", call.deadlineMs));
    }
    const found = asked.map(
      (name) => topics.get(name) ?? { ...aTopic(name, []), errorCode: UNKNOWN_TOPIC },
    );
    return ok({ clusterId: "played", controllerId: 1, brokers: [BROKER], topics: found });
  };

  const create = (question: ByteReader, answer: ByteWriter) => {
    const names = question.array((row) => {
      const name = row.string();
      row.int32();
      row.int16();
      row.array(() => undefined);
      row.array((entry) => [entry.string(), entry.nullableString()]);
      return name;
    });
    answer.int32(0).array(names, (row, name) => {
      const code = played.refusals?.[name] ?? 0;
      if (code === 0) topics.set(name, aTopic(name, [1]));
      row.string(name).int16(code).nullableString(null);
    });
  };

  const describeConfigs = (question: ByteReader, answer: ByteWriter) => {
    const names = question.array((row) => {
      row.int8();
      const name = row.string();
      row.int32();
      return name;
    });
    answer.int32(0).array(names, (row, name) => {
      row
        .int16(played.configCode ?? 0)
        .nullableString(null)
        .int8(2)
        .string(name);
      row.array([POLICY], (entry, [key, value]) => {
        entry.string(key).nullableString(value).boolean(false).int8(1).boolean(false);
        entry
          .array([], () => undefined)
          .int8(0)
          .nullableString(null);
      });
    });
  };

  const toAny: KafkaClient["toAny"] = <T>(request: KafkaRequest<T>, _call: Call) => {
    const [question, answer] = [new ByteWriter(), new ByteWriter()];
    request.encode(question, request.versions.max);
    const reader = new ByteReader(question.bytes());
    if (request.apiKey === CREATE_TOPICS) create(reader, answer);
    else describeConfigs(reader, answer);
    return Promise.resolve(
      ok(request.decode(new ByteReader(answer.bytes()), request.versions.max)),
    );
  };

  const notPlayed = () => {
    throw new Error("not played");
  };
  const client: KafkaClient = {
    metadata,
    toAny,
    leaderOf: notPlayed,
    partitionCount: notPlayed,
    toBroker: notPlayed,
    toCoordinator: notPlayed,
    forgetTopic: notPlayed,
    forgetCoordinator: notPlayed,
    closeLane: notPlayed,
    close: notPlayed,
  };
  return {
    said,
    sent,
    kafka: {
      client,
      producer: {
        send: (_topic: string, records: readonly OutRecord[]) => {
          sent.push(...records);
          return Promise.resolve(ok(records.map((_, index) => ({ partition: 0, offset: index }))));
        },
      },
      warn: (message: string, fields: Fields) => said.push({ level: "warn", message, fields }),
      debug: (message: string, fields: Fields) => said.push({ level: "debug", message, fields }),
    },
  };
}
