/** Of the values of the original's chart those of Kafka and PostgreSQL, internal and external. Pure. */
import {
  at,
  EXTERNAL_DATABASE,
  EXTERNAL_KAFKA,
  merged,
  NAMED,
  placed,
  type Row,
} from "./chart-values.ts";

const NO_KAFKA = { ...NAMED, kafka: { enabled: false } };
const NO_DATABASE = { ...NAMED, postgresql: { enabled: false } };
const OTHER_KAFKA = { ...NAMED, ...EXTERNAL_KAFKA };
const OTHER_DATABASE = { ...NAMED, ...EXTERNAL_DATABASE };

export const POSTGRESQL_ROWS: readonly Row[] = [
  {
    path: "postgresql.enabled",
    value: false,
    beside: NAMED,
    refused: "externalPostgresql.host (or database.host)",
  },
  { path: "postgresql.auth.database", value: "own", shows: '"POSTGRES_DB","value":"own"' },
  { path: "postgresql.auth.username", value: "own", shows: '"POSTGRES_USER","value":"own"' },
  { path: "postgresql.auth.password", value: "devpassword", shows: "devpassword" },
  { path: "postgresql.primary.persistence.enabled", value: false, shows: '"emptyDir":{}' },
  { path: "postgresql.primary.persistence.size", value: "1Gi", shows: '"storage":"1Gi"' },
  { path: "postgresql.primary.persistence.storageClass", value: "fast-ssd", shows: "fast-ssd" },
  ...placed("postgresql.primary"),
  ...(["externalPostgresql", "database"] as const).flatMap((name): Row[] => [
    { path: `${name}.host`, value: "pg", refused: "postgresql.enabled=false" },
    {
      path: `${name}.host`,
      value: "pg",
      beside: merged(NO_DATABASE, at(`${name}.host`, "other"), at(`${name}.password`, "p")),
      shows: '"DB_HOST","value":"pg"',
    },
    {
      path: `${name}.port`,
      value: 6432,
      beside: OTHER_DATABASE,
      shows: '"DB_PORT","value":"6432"',
    },
    {
      path: `${name}.database`,
      value: "own",
      beside: OTHER_DATABASE,
      shows: '"DB_NAME","value":"own"',
    },
    {
      path: `${name}.username`,
      value: "own",
      beside: OTHER_DATABASE,
      shows: '"DB_USER","value":"own"',
    },
    {
      path: `${name}.password`,
      value: "secure-password",
      beside: merged(NO_DATABASE, at(`${name}.host`, "pg"), at(`${name}.password`, "p")),
      shows: "secure-password",
    },
  ]),
  { path: "database.host", value: "two", beside: OTHER_DATABASE, refused: "given twice" },
  { path: "database.sslmode", value: "require", beside: OTHER_DATABASE, shows: "require" },
  { path: "externalPostgresql.password", value: "", beside: OTHER_DATABASE, refused: "password" },
  {
    path: "externalPostgresql.existingSecret",
    value: "own",
    beside: merged(
      NO_DATABASE,
      { externalPostgresql: { host: "pg" } },
      { externalPostgresql: { existingSecret: "other" } },
    ),
    shows: '"secretName":"own"',
  },
  {
    path: "externalPostgresql.existingSecretPasswordKey",
    value: "pw",
    beside: merged(NO_DATABASE, { externalPostgresql: { host: "pg", existingSecret: "own" } }),
    shows: '"key":"pw"',
  },
  // The original's examples in its values file mean nothing beside an internal server.
  { path: "externalPostgresql.host", value: "postgres.example.com", same: true },
  { path: "externalPostgresql.password", value: "your-password", same: true },
];

export const KAFKA_ROWS: readonly Row[] = [
  { path: "kafka.enabled", value: false, beside: NAMED, refused: "externalKafka.brokers" },
  { path: "kafka.replicaCount", value: 3, shows: '"replicas":3' },
  { path: "kafka.replicaCount", value: 2, refused: "Set 1 or 3" },
  { path: "kafka.logRetentionHours", value: 1, shows: "KAFKA_LOG_RETENTION_HOURS" },
  { path: "kafka.numPartitions", value: 20, shows: '"maxReplicas":10' },
  { path: "kafka.numPartitions", value: 1, shows: '"maxReplicas":1' },
  { path: "kafka.partitions", value: 20, shows: '"maxReplicas":10' },
  {
    path: "kafka.partitions",
    value: 20,
    beside: { kafka: { numPartitions: 5 } },
    refused: "twice",
  },
  {
    path: "kafka.replicationFactor",
    value: 1,
    beside: { kafka: { replicaCount: 3 } },
    shows: '"value":"1"',
  },
  { path: "kafka.replicationFactor", value: 3, refused: "a broker of its own" },
  { path: "kafka.topic", value: "mine", shows: '"KAFKA_TOPIC","value":"mine"' },
  {
    path: "kafka.topic",
    value: "mine",
    beside: { config: { kafka: { topic: "other" } } },
    refused: "twice",
  },
  ...placed("kafka"),
  { path: "kafka.persistence.enabled", value: false, shows: '"emptyDir":{}' },
  { path: "kafka.persistence.size", value: "1Gi", shows: '"storage":"1Gi"' },
  { path: "kafka.persistence.storageClass", value: "fast-ssd", shows: "fast-ssd" },
  { path: "kafka.mode", value: "kraft", same: true },
  { path: "kafka.mode", value: "zookeeper", refused: "KRaft" },
  { path: "kafka.kraft.enabled", value: true, same: true },
  { path: "kafka.kraft.enabled", value: false, refused: "KRaft" },
  {
    path: "kafka.kraft.clusterId",
    value: "QkZ2c1J6T3Vtbm9wUXJzdA",
    shows: "QkZ2c1J6T3Vtbm9wUXJzdA",
  },
  { path: "kafka.kraft.clusterId", value: "test-kafka-cluster-id", same: true },
  { path: "kafka.kraft.clusterId", value: "mine", refused: "random-uuid" },
  { path: "kafka.deleteTopicEnable", value: false, shows: "KAFKA_DELETE_TOPIC_ENABLE" },
  { path: "kafka.autoCreateTopicsEnable", value: true, shows: "KAFKA_AUTO_CREATE_TOPICS_ENABLE" },
  { path: "kafka.zookeeper.enabled", value: false, same: true },
  { path: "kafka.zookeeper.enabled", value: true, refused: "KRaft" },
  { path: "kafka.external.enabled", value: true, refused: "kafka.enabled=false" },
  { path: "kafka.external.enabled", value: true, beside: OTHER_KAFKA, same: true },
  { path: "externalKafka.brokers", value: "kafka.example.com:9092", same: true },
  ...["externalKafka.brokers", "kafka.external.brokers", "kafka.brokers"].flatMap((path): Row[] => [
    { path, value: "a:9092,b:9092", refused: "kafka.enabled=false" },
    {
      path,
      value: "a:9092,b:9092",
      beside: merged(NO_KAFKA, at(path, "other:9092")),
      shows: '"KAFKA_BROKERS","value":"a:9092,b:9092"',
    },
  ]),
  { path: "kafka.external.brokers", value: "b:9092", beside: OTHER_KAFKA, refused: "given twice" },
  { path: "externalKafka.topic", value: "mine", beside: OTHER_KAFKA, shows: '"value":"mine"' },
  { path: "externalKafka.topic", value: "mine", same: true },
  {
    path: "externalKafka.existingSecret",
    value: "own",
    beside: merged(NO_KAFKA, { externalKafka: { existingSecret: "other" } }),
    shows: '"secretKeyRef":{"name":"own"',
  },
  {
    path: "externalKafka.existingSecretBrokersKey",
    value: "list",
    beside: merged(NO_KAFKA, { externalKafka: { existingSecret: "own" } }),
    shows: '"key":"list"',
  },
  { path: "kafkaUI.enabled", value: false, same: true },
  { path: "kafkaUI.enabled", value: true, refused: "kafka-ui" },
  { path: "kafkaUI.service", value: { type: "ClusterIP", port: 8080 }, same: true },
];
