/**
 * What is known about the cluster: its brokers, its topics and their leaders, at most METADATA_AGE_MAX_MS old.
 *
 * With `oneCluster` nothing is sent to a broker of another cluster than the first that answered, once its
 * id is known (Kafka was rebuilt, or the address leads elsewhere): the other cluster would accept what was
 * meant for the first, such as a write to its topics. Until then, for at most that age, it may.
 */

import { type Call, startDeadline } from "../../deadline.ts";
import { err, ok, type Result } from "../../result.ts";
import {
  type BrokerNode,
  type ClusterMetadata,
  metadataRequest,
  type PartitionMetadata,
  type TopicMetadata,
} from "../api/metadata.ts";
import type { KafkaRequest } from "../api/request.ts";
import type { ConnectionPool } from "../connection/pool.ts";
import { type KafkaError, protocolError } from "../error.ts";
import { kafkaCode } from "../error-code.ts";
import { addressText, type BrokerAddress, parseBrokerAddress } from "../settings.ts";

export type Leader = { readonly node: BrokerNode; readonly partition: PartitionMetadata };

export const METADATA_AGE_MAX_MS = 10_000;

type Answer<T> = Promise<Result<T, KafkaError>>;
type Dated<T> = { readonly value: T; readonly atMs: number };
type Brokers = Dated<ReadonlyMap<number, BrokerNode>>;

/** Metadata of the cluster, and requests to any of its brokers. */
export type ClusterQueries = {
  /** Asks each time, whichever cluster answers. Errors of topics and partitions are data in the answer. */
  readonly metadata: (topics: readonly string[] | "all", call: Call) => Answer<ClusterMetadata>;
  /** From metadata at most METADATA_AGE_MAX_MS old. `not-leader` while there is none. */
  readonly leaderOf: (topic: string, partition: number, call: Call) => Answer<Leader>;
  readonly partitionCount: (topic: string, call: Call) => Answer<number>;
  /**
   * Asks the known brokers and then the seeds, one after the other, each with its share of the time, until
   * one answers.
   */
  readonly toAny: <T>(request: KafkaRequest<T>, call: Call) => Answer<T>;
  /** Drops what is known about a topic, such as after a not-leader error. */
  readonly forgetTopic: (topic: string) => void;
};

export type MetadataCache = ClusterQueries & {
  readonly nodeOf: (id: number, call: Call) => Answer<BrokerNode>;
  readonly forgetBrokers: () => void;
};

export type MetadataCacheOptions = {
  readonly seeds: readonly string[];
  readonly pool: ConnectionPool;
  readonly oneCluster: boolean;
};

export function openMetadataCache({
  seeds,
  pool,
  oneCluster,
}: MetadataCacheOptions): MetadataCache {
  const topics = new Map<string, Dated<TopicMetadata>>();
  let brokers: Brokers = { value: new Map(), atMs: Number.NEGATIVE_INFINITY };
  let turn = 0;
  const strayOf = oneCluster ? watchClusterId() : () => undefined;
  /** Set while another cluster answers. */
  let stray: KafkaError | undefined;

  const toAny = <T>(request: KafkaRequest<T>, call: Call): Answer<T> => {
    turn += 1;
    const asked = candidates(seeds, [...brokers.value.values()], turn);
    return asked.ok ? askInTurn(pool, asked.value, request, call) : Promise.resolve(asked);
  };

  const metadata = async (
    wanted: readonly string[] | "all",
    call: Call,
  ): Answer<ClusterMetadata> => {
    const found = await toAny(metadataRequest(wanted), call);
    if (!found.ok) return found;
    stray = strayOf(found.value.clusterId);
    if (stray !== undefined) {
      topics.clear();
      forgetBrokers();
      return found;
    }
    const atMs = performance.now();
    if (found.value.brokers.length > 0)
      brokers = { value: new Map(found.value.brokers.map((node) => [node.id, node])), atMs };
    for (const topic of found.value.topics) topics.set(topic.name, { value: topic, atMs });
    return found;
  };

  const nodeOf = async (id: number, call: Call): Answer<BrokerNode> => {
    const known = brokers.value.get(id);
    if (known !== undefined && fresh(brokers)) return ok(known);
    const asked = await metadata([], call);
    if (!asked.ok) return asked;
    if (stray !== undefined) return err(stray);
    const found = brokers.value.get(id);
    return found === undefined ? err(noBroker(id)) : ok(found);
  };

  const topicOf = async (name: string, call: Call): Answer<TopicMetadata> => {
    const known = topics.get(name);
    if (known !== undefined && fresh(known)) return ok(known.value);
    const asked = await metadata([name], call);
    if (!asked.ok) return asked;
    if (stray !== undefined) return err(stray);
    const found = asked.value.topics.find((topic) => topic.name === name);
    const missing = protocolError(kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"), `find topic ${name}`);
    return found === undefined ? err(missing) : ok(found);
  };

  const leaderOf = async (topic: string, partition: number, call: Call): Answer<Leader> => {
    const found = await topicOf(topic, call);
    if (!found.ok) return found;
    const leader = leaderIn(found.value, partition, brokers.value);
    if (!leader.ok) topics.delete(topic);
    return leader;
  };

  const partitionCount = async (topic: string, call: Call): Answer<number> => {
    const found = await topicOf(topic, call);
    if (!found.ok) return found;
    const { errorCode, partitions } = found.value;
    if (errorCode === 0) return ok(partitions.length);
    topics.delete(topic);
    return err(protocolError(errorCode, `find topic ${topic}`, `DESCRIBE on topic ${topic}`));
  };

  const forgetBrokers = () => {
    brokers = { ...brokers, atMs: Number.NEGATIVE_INFINITY };
  };

  const forgetTopic = (topic: string) => {
    topics.delete(topic);
  };

  return { metadata, leaderOf, partitionCount, toAny, forgetTopic, nodeOf, forgetBrokers };
}

function fresh(dated: Dated<unknown>): boolean {
  return performance.now() - dated.atMs <= METADATA_AGE_MAX_MS;
}

/** The known brokers, beginning at another one with each call, then the seeds; each address once. */
function candidates(
  seeds: readonly string[],
  nodes: readonly BrokerNode[],
  turn: number,
): Result<readonly BrokerAddress[], KafkaError> {
  const start = nodes.length === 0 ? 0 : turn % nodes.length;
  const found = new Map<string, BrokerAddress>();
  for (const { host, port } of [...nodes.slice(start), ...nodes.slice(0, start)])
    found.set(addressText({ host, port }), { host, port });
  for (const seed of seeds) {
    const address = parseBrokerAddress(seed);
    if (address === undefined) return err(badSeed(`"${seed}" is no broker address (host:port)`));
    found.set(addressText(address), address);
  }
  if (found.size === 0) return err(badSeed("no broker address is given"));
  return ok([...found.values()]);
}

/**
 * Each broker gets its share of the time, so that a hung one does not use it all up. A broker that refuses
 * our connection is skipped, too: perhaps only its certificate has expired. But if none answers, that
 * refusal is returned, rather than an error of a broker that is away. Any other refusal is final.
 */
async function askInTurn<T>(
  pool: ConnectionPool,
  addresses: readonly BrokerAddress[],
  request: KafkaRequest<T>,
  call: Call,
): Answer<T> {
  const deadline = startDeadline(call);
  let said: Result<T, KafkaError> | undefined;
  for (const [index, address] of addresses.entries()) {
    if (said !== undefined && deadline.over()) break;
    const shareMs = deadline.leftMs() / (addresses.length - index);
    const answer = await pool.send(address, request, deadline.call(shareMs));
    if (answer.ok) return answer;
    const { code, retry } = answer.error;
    if (retry === "terminal" && code !== "authentication") return answer;
    if (said === undefined || code === "authentication") said = answer;
  }
  return said ?? err(badSeed("no broker address is given"));
}

function leaderIn(
  topic: TopicMetadata,
  partition: number,
  brokers: ReadonlyMap<number, BrokerNode>,
): Result<Leader, KafkaError> {
  const what = `find the leader of ${topic.name}/${partition}`;
  if (topic.errorCode !== 0)
    return err(protocolError(topic.errorCode, what, `DESCRIBE on topic ${topic.name}`));
  const found = topic.partitions.find((item) => item.partition === partition);
  if (found === undefined) return err(protocolError(kafkaCode("UNKNOWN_TOPIC_OR_PARTITION"), what));
  const node = brokers.get(found.leader);
  if (node !== undefined) return ok({ node, partition: found });
  return err(
    protocolError(
      found.errorCode === 0 ? kafkaCode("LEADER_NOT_AVAILABLE") : found.errorCode,
      what,
    ),
  );
}

function badSeed(detail: string): KafkaError {
  return { code: "invalid", retry: "terminal", detail };
}

function noBroker(id: number): KafkaError {
  const detail = `broker ${id} is not among the cluster's live brokers`;
  return { code: "unreachable", retry: "transient", detail };
}

/** @returns a function that checks whether a cluster's id is the first one seen */
function watchClusterId(): (is: string | null) => KafkaError | undefined {
  let was: string | null = null;
  return (is) => {
    was ??= is;
    if (was === null || is === null || was === is) return undefined;
    const detail = `another Kafka cluster answers: its id was ${was} and is ${is}; nothing is sent to it`;
    return { code: "invalid", retry: "terminal", detail };
  };
}
