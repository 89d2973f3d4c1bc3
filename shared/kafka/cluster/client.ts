/**
 * A client of a Kafka cluster: it finds the broker to ask, over connections that are opened when needed,
 * kept, and reopened after a failure.
 *
 * Invariants: every call ends at its deadline; after a missed deadline the next call opens another
 * connection (a hung broker keeps its port open), and the old one closes once its calls in flight have
 * ended; asking for a topic never creates it.
 */

import { type Call, type Deadline, startDeadline } from "../../deadline.ts";
import { ok, type Result } from "../../result.ts";
import type { KafkaRequest } from "../api/request.ts";
import { openConnectionPool } from "../connection/pool.ts";
import type { KafkaError } from "../error.ts";
import type { KafkaLog } from "../log.ts";
import type { KafkaSettings } from "../settings.ts";
import { findCoordinator } from "./find-coordinator.ts";
import { type ClusterQueries, openMetadataCache } from "./metadata-cache.ts";

/** What is asked of a coordinator goes by it. */
export const GROUP_LANE = "group";

type Answer<T> = Promise<Result<T, KafkaError>>;

export type KafkaClient = ClusterQueries & {
  readonly toBroker: <T>(id: number, request: KafkaRequest<T>, call: Call) => Answer<T>;
  readonly toCoordinator: <T>(groupId: string, request: KafkaRequest<T>, call: Call) => Answer<T>;
  readonly forgetCoordinator: (groupId: string) => void;
  /** Closes the connections of one lane, whatever is in flight on them. */
  readonly closeLane: (lane: string) => void;
  readonly close: () => Promise<void>;
};

export function openKafkaClient(
  settings: KafkaSettings,
  options: {
    readonly log: KafkaLog /** Serves only the first cluster that answers. */;
    readonly oneCluster?: true;
  },
): KafkaClient {
  const pool = openConnectionPool(settings, options.log);
  const metadataCache = openMetadataCache({
    seeds: settings.brokers,
    pool,
    oneCluster: options.oneCluster === true,
  });
  const coordinators = new Map<string, number>();

  const toBroker = async <T>(id: number, request: KafkaRequest<T>, call: Call): Answer<T> => {
    const deadline = startDeadline(call);
    const node = await metadataCache.nodeOf(id, deadline.call());
    if (!node.ok) return node;
    const { host, port } = node.value;
    const answer = await pool.send({ host, port }, request, deadline.call());
    if (!answer.ok && answer.error.code === "unreachable") metadataCache.forgetBrokers();
    return answer;
  };

  const coordinatorOf = async (groupId: string, deadline: Deadline): Answer<number> => {
    const known = coordinators.get(groupId);
    if (known !== undefined) return ok(known);
    const found = await findCoordinator(metadataCache.toAny, groupId, deadline);
    if (found.ok) coordinators.set(groupId, found.value);
    return found;
  };

  const toCoordinator = async <T>(
    groupId: string,
    request: KafkaRequest<T>,
    call: Call,
  ): Answer<T> => {
    const deadline = startDeadline(call);
    const id = await coordinatorOf(groupId, deadline);
    if (!id.ok) return id;
    const answer = await toBroker(id.value, { lane: GROUP_LANE, ...request }, deadline.call());
    if (!answer.ok) coordinators.delete(groupId);
    return answer;
  };

  return {
    metadata: metadataCache.metadata,
    leaderOf: metadataCache.leaderOf,
    partitionCount: metadataCache.partitionCount,
    toBroker,
    toAny: metadataCache.toAny,
    toCoordinator,
    forgetTopic: metadataCache.forgetTopic,
    forgetCoordinator: (groupId) => coordinators.delete(groupId),
    closeLane: pool.closeLane,
    close: () => {
      pool.close();
      return Promise.resolve();
    },
  };
}
