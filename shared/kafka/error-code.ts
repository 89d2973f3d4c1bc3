/**
 * Kafka's error codes, by Kafka's own names, and what they mean here:
 * https://kafka.apache.org/protocol#protocol_error_codes
 */

export type KafkaErrorCode =
  | "unreachable"
  | "timeout"
  | "authentication"
  | "authorization"
  | "unknown-topic"
  | "not-leader"
  | "offset-out-of-range"
  | "fenced"
  | "rebalancing"
  | "not-coordinator"
  | "group-not-empty"
  | "group-not-found"
  | "topic-exists"
  | "too-large"
  | "unsupported"
  | "invalid"
  | "broker";

type Meaning = readonly [errorCode: number, code: KafkaErrorCode, retry: "transient" | "terminal"];

const TABLE = {
  OFFSET_OUT_OF_RANGE: [1, "offset-out-of-range", "terminal"],
  CORRUPT_MESSAGE: [2, "broker", "transient"],
  UNKNOWN_TOPIC_OR_PARTITION: [3, "unknown-topic", "transient"],
  LEADER_NOT_AVAILABLE: [5, "not-leader", "transient"],
  NOT_LEADER_OR_FOLLOWER: [6, "not-leader", "transient"],
  REQUEST_TIMED_OUT: [7, "timeout", "transient"],
  BROKER_NOT_AVAILABLE: [8, "not-leader", "transient"],
  REPLICA_NOT_AVAILABLE: [9, "not-leader", "transient"],
  MESSAGE_TOO_LARGE: [10, "too-large", "terminal"],
  NETWORK_EXCEPTION: [13, "unreachable", "transient"],
  COORDINATOR_LOAD_IN_PROGRESS: [14, "not-coordinator", "transient"],
  COORDINATOR_NOT_AVAILABLE: [15, "not-coordinator", "transient"],
  NOT_COORDINATOR: [16, "not-coordinator", "transient"],
  INVALID_TOPIC_EXCEPTION: [17, "invalid", "terminal"],
  RECORD_LIST_TOO_LARGE: [18, "too-large", "terminal"],
  NOT_ENOUGH_REPLICAS: [19, "broker", "transient"],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, "broker", "transient"],
  ILLEGAL_GENERATION: [22, "fenced", "terminal"],
  INCONSISTENT_GROUP_PROTOCOL: [23, "invalid", "terminal"],
  INVALID_GROUP_ID: [24, "invalid", "terminal"],
  UNKNOWN_MEMBER_ID: [25, "fenced", "terminal"],
  INVALID_SESSION_TIMEOUT: [26, "invalid", "terminal"],
  REBALANCE_IN_PROGRESS: [27, "rebalancing", "transient"],
  TOPIC_AUTHORIZATION_FAILED: [29, "authorization", "terminal"],
  GROUP_AUTHORIZATION_FAILED: [30, "authorization", "terminal"],
  CLUSTER_AUTHORIZATION_FAILED: [31, "authorization", "terminal"],
  UNSUPPORTED_SASL_MECHANISM: [33, "authentication", "terminal"],
  ILLEGAL_SASL_STATE: [34, "authentication", "terminal"],
  UNSUPPORTED_VERSION: [35, "unsupported", "terminal"],
  TOPIC_ALREADY_EXISTS: [36, "topic-exists", "terminal"],
  INVALID_PARTITIONS: [37, "invalid", "terminal"],
  INVALID_REPLICATION_FACTOR: [38, "invalid", "transient"],
  INVALID_CONFIG: [40, "invalid", "terminal"],
  NOT_CONTROLLER: [41, "not-leader", "transient"],
  INVALID_REQUEST: [42, "invalid", "terminal"],
  POLICY_VIOLATION: [44, "invalid", "terminal"],
  KAFKA_STORAGE_ERROR: [56, "not-leader", "transient"],
  SASL_AUTHENTICATION_FAILED: [58, "authentication", "terminal"],
  NON_EMPTY_GROUP: [68, "group-not-empty", "transient"],
  GROUP_ID_NOT_FOUND: [69, "group-not-found", "terminal"],
  FENCED_LEADER_EPOCH: [74, "not-leader", "transient"],
  UNKNOWN_LEADER_EPOCH: [75, "not-leader", "transient"],
  UNSUPPORTED_COMPRESSION_TYPE: [76, "unsupported", "terminal"],
  OFFSET_NOT_AVAILABLE: [78, "broker", "transient"],
  MEMBER_ID_REQUIRED: [79, "rebalancing", "transient"],
  FENCED_INSTANCE_ID: [82, "fenced", "terminal"],
  INVALID_RECORD: [87, "invalid", "terminal"],
  UNKNOWN_TOPIC_ID: [100, "unknown-topic", "transient"],
} as const satisfies Readonly<Record<string, Meaning>>;

const BY_NUMBER: ReadonlyMap<number, readonly [name: string, ...Meaning]> = new Map(
  Object.entries(TABLE).map(([name, meaning]) => [meaning[0], [name, ...meaning]]),
);

/** The number of that name in an answer; 0 is none of them. */
export const kafkaCode = (name: keyof typeof TABLE): number => TABLE[name][0];

export const isKnownCode = (errorCode: number): boolean => BY_NUMBER.has(errorCode);

/** A code that is not in the table is `broker`, transient. */
export function meaningOf(errorCode: number) {
  const known = BY_NUMBER.get(errorCode);
  if (known === undefined)
    return { name: `error ${errorCode}`, code: "broker", retry: "transient" } as const;
  const [name, , code, retry] = known;
  return { name, code, retry };
}
