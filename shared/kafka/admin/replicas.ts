/** How many copies a topic of ours is to have, and what gives more to one that exists. */

import type { TopicMetadata } from "../api/metadata.ts";
import type { TopicWarning } from "./topics.ts";

const REPLICATION_MAX = 3;

export function wantedReplicas(brokers: number): number {
  return Math.max(1, Math.min(brokers, REPLICATION_MAX));
}

/** @param brokers the ids of those that live */
export function fewReplicas(
  { name, partitions }: TopicMetadata,
  brokers: readonly number[],
): TopicWarning | undefined {
  const wanted = wantedReplicas(brokers.length);
  const few = partitions.filter(({ replicas }) => replicas.length < wanted);
  if (few.length === 0) return undefined;
  const least = Math.min(...few.map(({ replicas }) => replicas.length));
  const sorted = [...brokers].toSorted((a, b) => a - b);
  const plan = few.map(({ partition, replicas }) => {
    const start = partition % sorted.length;
    const turned = [...sorted.slice(start), ...sorted.slice(0, start)];
    const more = turned.filter((id) => !replicas.includes(id));
    return { topic: name, partition, replicas: [...replicas, ...more].slice(0, wanted) };
  });
  const json = JSON.stringify({ version: 1, partitions: plan });
  return {
    detail: `topic ${name}: ${few.length} of ${partitions.length} partitions have fewer than ${wanted} replicas, one has ${least}: a broker that is lost takes the topic with it`,
    command: `echo '${json}' > replicas.json && kafka-reassign-partitions.sh --bootstrap-server <broker> --reassignment-json-file replicas.json --execute`,
  };
}
