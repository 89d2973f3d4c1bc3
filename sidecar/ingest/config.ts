/** The variables of `sidecar ingest` (docs/operating.md is made from them): a worker's, and what storing needs. */
import * as v from "valibot";
import type { Host } from "../../shared/config/host.ts";
import { CONNECTION_CHECKS } from "../../shared/config/kafka.ts";
import { POSTGRES_TABLE } from "../../shared/config/postgres.ts";
import {
  age,
  duration,
  flag,
  integer,
  oneOf,
  path,
  port,
  text,
} from "../../shared/config/schema.ts";
import {
  type Config,
  check,
  type Environment,
  optional,
  type Problem,
  parseEnvironment,
  withDefault,
} from "../../shared/config/table.ts";
import { TOPIC_PARTITIONS } from "../../shared/config/topic.ts";
import { WORKER_TABLE } from "../../shared/config/worker.ts";
import type { Result } from "../../shared/result.ts";

const HOST_CHARS_MAX = 253;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

/** `:8081`, `127.0.0.1:8081`, `[::1]:8081`. */
const address = v.pipe(
  v.string(),
  v.description("host:port, or :port for all addresses"),
  v.regex(/^(?:\[[0-9a-fA-F:.]+\]|[^:\s]*):\d{1,5}$/u, "is neither host:port nor :port"),
  v.transform((value) => {
    const at = value.lastIndexOf(":");
    const host = value.slice(0, at).replace(/^\[(.*)\]$/u, "$1");
    return { host: host === "" ? undefined : host, port: Number(value.slice(at + 1)) };
  }),
  v.check(({ port: number }) => number <= 65_535, "has a port above 65535"),
);

export const INGEST_TABLE = {
  ...WORKER_TABLE,
  topicPartitions: TOPIC_PARTITIONS,
  ...POSTGRES_TABLE,
  serverPort: optional({
    name: "CONSUMER_SERVER_PORT",
    schema: port(),
    without: "8083; with CLIENT_ID no HTTP server",
    describe: "Port of health, metrics and the API",
    seed: true,
  }),
  serverHost: optional({
    name: "CONSUMER_SERVER_HOST",
    schema: text(HOST_CHARS_MAX, "an address"),
    without: "all addresses",
    describe: "The address that CONSUMER_SERVER_PORT is bound to",
  }),
  apiAddress: optional({
    name: "API_ADDRESS",
    schema: address,
    without: "on CONSUMER_SERVER_PORT alone",
    describe: "One more address of the API, as the original's :8081",
    seed: true,
  }),
  apiTokensFile: optional({
    name: "API_TOKENS_FILE",
    schema: path("a file with a line `<token> <client id>,…` or `<token> *` for each token"),
    without: "the API answers loopback addresses alone, unless API_AUTH is none",
    describe:
      "Bearer tokens of the API, and which clusters each may see; read again when it changes",
  }),
  apiAuth: withDefault({
    name: "API_AUTH",
    schema: oneOf(["tokens", "none"]),
    default: "tokens",
    describe: "none: whoever reaches the port may read everything",
  }),
  retentionEnabled: withDefault({
    name: "RETENTION_ENABLED",
    schema: flag(),
    default: "true",
    describe: "Delete old history, snapshots and dead letters",
    seed: true,
  }),
  retentionMaxAgeMs: withDefault({
    name: "RETENTION_MAX_AGE",
    schema: age({ minMs: SECOND_MS }),
    default: "168h",
    describe: "How long a version is kept after it ended",
    seed: true,
  }),
  retentionMaxSnapshots: withDefault({
    name: "RETENTION_MAX_SNAPSHOTS",
    schema: integer({ min: 1, max: 1_000_000 }),
    default: "100",
    describe: "How many snapshots of a cluster are kept",
    seed: true,
  }),
  retentionIntervalMs: withDefault({
    name: "RETENTION_CLEANUP_INTERVAL",
    schema: duration({ minMs: SECOND_MS }),
    default: "6h",
    describe: "How often old things are looked for",
    seed: true,
  }),
  retentionBatch: withDefault({
    name: "RETENTION_DELETE_BATCH_SIZE",
    schema: integer({ min: 1, max: 100_000 }),
    default: "1000",
    describe: "How many rows one statement deletes",
    seed: true,
  }),
  snapshotIntervalMs: withDefault({
    name: "SNAPSHOT_INTERVAL",
    schema: duration({ minMs: MINUTE_MS }),
    default: "6h",
    describe: "How often a snapshot of each cluster is noted",
  }),
} as const;
export type IngestConfig = Config<typeof INGEST_TABLE>;

const { clientId, kafkaGroup, databaseCertFile, databaseKeyFile } = INGEST_TABLE;

const CHECKS = [
  ...CONNECTION_CHECKS,
  check({ databaseCertFile, databaseKeyFile }, (c) => {
    if ((c.databaseCertFile === undefined) === (c.databaseKeyFile === undefined)) return undefined;
    const isCert = c.databaseKeyFile === undefined;
    const [name, other] = isCert
      ? ["DB_SSL_KEY_FILE", "DB_SSL_CERT_FILE"]
      : ["DB_SSL_CERT_FILE", "DB_SSL_KEY_FILE"];
    return { name, message: `is required when ${other} is set` };
  }),
  check({ clientId, kafkaGroup }, (c) => {
    if (c.clientId !== undefined || !c.kafkaGroup.startsWith("kg-builder-")) return undefined;
    const message = "is a worker's group, and CLIENT_ID is missing";
    return { name: "KAFKA_GROUP", value: c.kafkaGroup, message };
  }),
];

export const readIngestConfig = (
  environment: Environment,
  host: Host,
): Result<IngestConfig, readonly Problem[]> =>
  parseEnvironment(INGEST_TABLE, CHECKS, environment, host);
