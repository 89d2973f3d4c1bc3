/** The agent's variables (docs/operating.md is generated from them) and the rules across them. */
import type { Host } from "../shared/config/host.ts";
import { CONNECTION_CHECKS, KAFKA_TABLE, type KafkaConfig } from "../shared/config/kafka.ts";
import { duration, path, port, text } from "../shared/config/schema.ts";
import {
  type Config,
  type Environment,
  optional,
  type Problem,
  parseEnvironment,
  required,
  withDefault,
} from "../shared/config/table.ts";
import { ClientId } from "../shared/protocol/client-id.ts";
import type { Result } from "../shared/result.ts";
import {
  COLLECT_CHECKS,
  COLLECT_COMMAND_TABLE,
  COLLECT_SWITCH,
  COLLECT_TABLE,
  type CollectCommandConfig,
} from "./collect/config.ts";

const NAME_CHARS_MAX = 253;
const VERSION_CHARS_MAX = 64;
/** Bounds of a registration's `heartbeat_interval_seconds` (docs/protocol.md). */
const INTERVAL_MIN_MS = 1000;
const INTERVAL_MAX_MS = 3_600_000;
/** Upper bound for a one-shot command and its wait; a timer of more than 24 days would fire at once. */
export const HOOK_MAX_MS = 86_400_000;

export const AGENT_TABLE = {
  clientId: required({
    name: "CLIENT_ID",
    schema: ClientId,
    describe: "The cluster's identity: key of its records, part of its worker's name",
    seed: true,
  }),
  clusterName: withDefault({
    name: "CLUSTER_NAME",
    schema: text(NAME_CHARS_MAX),
    default: { shown: "the client id", from: ({ text: get }) => get("CLIENT_ID") },
    describe: "The cluster's name for people",
    seed: true,
  }),
  clusterVersion: optional({
    name: "CLUSTER_VERSION",
    schema: text(VERSION_CHARS_MAX),
    without: "left out",
    describe: "Version of what is installed in the cluster, sent in the registration",
    seed: true,
  }),
  namespace: optional({
    name: "NAMESPACE",
    schema: text(NAME_CHARS_MAX),
    without: "left out",
    describe: "Namespace of the Helm release, sent in the registration",
    seed: true,
  }),
  releaseName: optional({
    name: "RELEASE_NAME",
    schema: text(NAME_CHARS_MAX),
    without: "left out",
    describe: "Name of the Helm release, sent in the registration",
    seed: true,
  }),
  heartbeatIntervalMs: withDefault({
    name: "HEARTBEAT_INTERVAL",
    schema: duration({ minMs: INTERVAL_MIN_MS, maxMs: INTERVAL_MAX_MS }),
    default: "30s",
    describe: "Time between two heartbeats; the control plane's deadlines follow it",
    seed: true,
  }),
  hookTimeoutMs: withDefault({
    name: "HOOK_TIMEOUT",
    schema: duration({ minMs: 1000, maxMs: HOOK_MAX_MS }),
    default: "60s",
    describe: "How long `register` and `deregister` may take in all",
  }),
  installationTokenFile: optional({
    name: "INSTALLATION_TOKEN_FILE",
    schema: path(),
    without: "STATE_DIR, where that is set",
    describe:
      "A ServiceAccount's projected token; the account's uid becomes the installation id. The token is read, never sent",
  }),
  stateDir: optional({
    name: "STATE_DIR",
    schema: path(),
    without: "no installation id",
    describe: "A directory that outlives the agent, for the installation id",
  }),
  port: withDefault({
    name: "PORT",
    schema: port(),
    default: "8080",
    describe: "Port of health and metrics; 0 takes a free one",
    seed: true,
  }),
  collect: COLLECT_SWITCH,
  ...COLLECT_TABLE,
  ...KAFKA_TABLE,
} as const;
export type AgentConfig = Config<typeof AGENT_TABLE>;

export const readAgentConfig = (
  environment: Environment,
  host: Host,
): Result<AgentConfig, readonly Problem[]> =>
  parseEnvironment(AGENT_TABLE, COLLECT_CHECKS, environment, host);

export const readCollectConfig = (
  environment: Environment,
  host: Host,
): Result<CollectCommandConfig, readonly Problem[]> =>
  parseEnvironment(COLLECT_COMMAND_TABLE, COLLECT_CHECKS, environment, host);

/** `check kafka` is only about Kafka, so it needs no CLIENT_ID. */
export const readCheckConfig = (
  environment: Environment,
  host: Host,
): Result<KafkaConfig, readonly Problem[]> =>
  parseEnvironment(KAFKA_TABLE, CONNECTION_CHECKS, environment, host);
