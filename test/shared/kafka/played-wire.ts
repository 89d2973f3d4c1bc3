/** A wire whose brokers are functions: they are given and give the bytes of the requests' highest version. */
import type { Call } from "../../../shared/deadline.ts";
import { ByteReader, ByteWriter } from "../../../shared/kafka/api/bytes.ts";
import type { KafkaRequest } from "../../../shared/kafka/api/request.ts";
import type { KafkaClient } from "../../../shared/kafka/cluster/client.ts";
import type { KafkaError } from "../../../shared/kafka/error.ts";
import { err, ok, type Result } from "../../../shared/result.ts";

export type Asked = {
  readonly apiName: string;
  readonly lane: string | undefined;
  readonly body: ByteReader;
  readonly call: Call;
};

type Played = {
  /** The leader of partition 0 of each topic. */
  readonly leaders?: () => Readonly<Record<string, number>>;
  /** An answer, or no answer within the deadline. */
  readonly answer: (broker: number, asked: Asked) => Promise<ByteWriter | undefined>;
};

const TIMED_OUT: KafkaError = { code: "timeout", retry: "transient", detail: "no answer" };

export function playedClient({ leaders = () => ({}), answer }: Played): KafkaClient {
  const node = { id: 1, host: "played", port: 1, rack: null };
  const partition = (leader: number) => ({
    partition: 0,
    leader,
    leaderEpoch: 1,
    replicas: [],
    isr: [],
    offlineReplicas: [],
    errorCode: 0,
  });
  const toBroker = async <T>(
    id: number,
    request: KafkaRequest<T>,
    call: Call,
  ): Promise<Result<T, KafkaError>> => {
    const version = request.versions.max;
    const writer = new ByteWriter();
    request.encode(writer, version);
    const { apiName, lane } = request;
    const body = new ByteReader(writer.bytes());
    const answered = await answer(id, { apiName, lane, body, call });
    if (answered === undefined) return err(TIMED_OUT);
    return ok(request.decode(new ByteReader(answered.bytes()), version));
  };
  return {
    metadata: () => {
      const topics = Object.entries(leaders()).map(([name, leader]) => ({
        name,
        topicId: name,
        errorCode: 0,
        isInternal: false,
        partitions: [partition(leader)],
      }));
      return Promise.resolve(ok({ clusterId: "c", controllerId: 1, brokers: [node], topics }));
    },
    leaderOf: (topic) =>
      Promise.resolve(ok({ node, partition: partition(leaders()[topic] ?? node.id) })),
    partitionCount: () => Promise.resolve(ok(1)),
    toBroker,
    toAny: (request, call) => toBroker(node.id, request, call),
    toCoordinator: (_group, request, call) => toBroker(node.id, request, call),
    forgetTopic: () => {},
    forgetCoordinator: () => {},
    closeLane: () => {},
    close: () => Promise.resolve(),
  };
}
