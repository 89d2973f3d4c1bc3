/**
 * The topics of the protocol: their names, and how we create them (docs/protocol.md).
 *
 * Why two topics for one cluster: compaction keeps one record per key, so a heartbeat in the registry would
 * erase the registration. Why one registry partition: clients partition differently (Java murmur2,
 * librdkafka CRC32, sarama FNV), so with several partitions a tombstone and its registration can land in
 * different ones, and compaction never removes the registration.
 */

export const REGISTRY = "cluster.registry";
export const HEARTBEAT = "cluster.heartbeat";
/** The ledger: what was accepted, and what became of it. Written by the leader only. */
export const STATUS = "cluster.status";
export const AUDIT = "cluster.audit";
export const QUARANTINE = "cluster.quarantine";
/** For the election: in the control planes' group, the owner of its partition 0 leads. */
export const CONTROL = "cluster.control";
/** What agents collect; partitioned by client id. */
export const CLUSTER_INFO = "cluster-info";
/** Events of Kubernetes; partitioned by client id. */
export const CLUSTER_EVENTS = "cluster-events";

/** How a topic is created, or checked if it exists already. */
export type TopicPlan = {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
  /** Why an existing topic with this configuration does harm; undefined when it does not. */
  readonly harmful: (config: Readonly<Record<string, string>>) => string | undefined;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The broker decompresses what other clients compress; records have the broker's time. */
const OURS = {
  "compression.type": "uncompressed",
  "message.timestamp.type": "LogAppendTime",
} as const;

const COMPACTED = {
  ...OURS,
  "cleanup.policy": "compact",
  "segment.ms": String(HOUR_MS),
  "min.cleanable.dirty.ratio": "0.1",
  "delete.retention.ms": String(7 * DAY_MS),
} as const;

const kept = (ms: number) => ({ ...OURS, "cleanup.policy": "delete", "retention.ms": String(ms) });

const policies = (config: Readonly<Record<string, string>>): readonly string[] =>
  (config["cleanup.policy"] ?? "").split(",").map((policy) => policy.trim());

/** A topic that is compacted and also deletes by age loses a quiet cluster's last record, too. */
const mustCompact = (config: Readonly<Record<string, string>>): string | undefined =>
  policies(config).join() === "compact"
    ? undefined
    : `cleanup.policy is "${config["cleanup.policy"]}", not "compact": old entries are lost`;

const mustNotCompact = (config: Readonly<Record<string, string>>): string | undefined =>
  policies(config).includes("compact")
    ? "cleanup.policy compacts: only the last beat of a key is kept, and the topic grows for ever"
    : undefined;

const mustNotCompactEvents = (config: Readonly<Record<string, string>>): string | undefined =>
  policies(config).includes("compact")
    ? "cleanup.policy compacts: events are never deleted, and the topic grows for ever"
    : undefined;

const harmless = () => undefined;

/** All topics that the control plane needs. */
export function topicPlans(heartbeatPartitions: number): readonly TopicPlan[] {
  return [
    { name: REGISTRY, partitions: 1, config: COMPACTED, harmful: mustCompact },
    {
      name: HEARTBEAT,
      partitions: heartbeatPartitions,
      config: { ...kept(HOUR_MS), "segment.ms": String(HOUR_MS / 6) },
      harmful: mustNotCompact,
    },
    { name: STATUS, partitions: 1, config: COMPACTED, harmful: mustCompact },
    { name: AUDIT, partitions: 1, config: kept(30 * DAY_MS), harmful: harmless },
    { name: QUARANTINE, partitions: 1, config: kept(7 * DAY_MS), harmful: harmless },
    { name: CONTROL, partitions: 1, config: kept(365 * DAY_MS), harmful: mustNotCompact },
    clusterInfoPlan(CLUSTER_INFO),
  ];
}

/** Of a topic of what agents collect, unless somebody wants more: so many readers can share it. */
export const CLUSTER_INFO_PARTITIONS = 3;

/** @param name KAFKA_TOPIC, where it is another one */
export const clusterInfoPlan = (
  name: string,
  partitions: number = CLUSTER_INFO_PARTITIONS,
): TopicPlan => ({
  name,
  partitions,
  config: { ...COMPACTED, "min.compaction.lag.ms": String(DAY_MS) },
  harmful: mustCompact,
});

export const clusterEventsPlan = (
  name: string,
  partitions: number = CLUSTER_INFO_PARTITIONS,
): TopicPlan => ({
  name,
  partitions,
  config: kept(7 * DAY_MS),
  harmful: mustNotCompactEvents,
});

/** The two that an agent writes: a first registration may come before the first control plane. */
export const agentTopicPlans = (heartbeatPartitions: number): readonly TopicPlan[] =>
  topicPlans(heartbeatPartitions).filter(({ name }) => name === REGISTRY || name === HEARTBEAT);
