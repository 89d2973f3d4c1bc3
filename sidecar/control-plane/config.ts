/**
 * The variables of `sidecar control-plane` and of the operator's commands (docs/operating.md is generated
 * from them), and the rules across them.
 */
import type { Host } from "../../shared/config/host.ts";
import { CONNECTION_CHECKS, KAFKA_TABLE } from "../../shared/config/kafka.ts";
import { duration, integer, names, port, text } from "../../shared/config/schema.ts";
import {
  type Config,
  type CrossCheck,
  check,
  type Environment,
  optional,
  type Problem,
  parseEnvironment,
  withDefault,
} from "../../shared/config/table.ts";
import { formatDuration, parseDuration } from "../../shared/duration.ts";
import type { Result } from "../../shared/result.ts";
import { WORKER_TABLE } from "./worker-config.ts";

const NAME_CHARS_MAX = 253;
const WATERMARK_MAX_MS = 2000;
/** Ticks must be much more frequent than the deadlines that depend on them (docs/reconcile.md, Time). */
const WATERMARKS_PER_TIMEOUT = 12;
/** Kafka's `group.min.session.timeout.ms`: the broker refuses less, and kafkajs would end. */
const SESSION_MIN_MS = 6000;
/** Kafka's `group.max.session.timeout.ms`. */
const SESSION_MAX_MS = 1_800_000;
const HEARTBEAT_TIMEOUT_DEFAULT = "2m";

/** The variables of every command that speaks for a fleet. */
export const OPERATOR_TABLE = {
  fleet: optional({
    name: "FLEET",
    schema: text(NAME_CHARS_MAX, "a name"),
    without: "Kafka's cluster id",
    describe: "Which fleet this is: label of its workers; one fleet for one set of topics",
  }),
  ...KAFKA_TABLE,
} as const;
export type OperatorConfig = Config<typeof OPERATOR_TABLE>;

const TIME_TABLE = {
  heartbeatTimeoutMs: withDefault({
    name: "HEARTBEAT_TIMEOUT",
    schema: duration({ minMs: 1000 }),
    default: HEARTBEAT_TIMEOUT_DEFAULT,
    describe: "Silence after which a cluster is stale",
    seed: true,
  }),
  cleanupTimeoutMs: withDefault({
    name: "CLEANUP_TIMEOUT",
    schema: duration({ minMs: 1000 }),
    default: "5m",
    describe: "Silence after which a cluster is dead and its worker is stopped",
    seed: true,
  }),
  reconcileIntervalMs: withDefault({
    name: "RECONCILE_INTERVAL",
    schema: duration({ minMs: 100 }),
    default: "30s",
    describe: "Time between two resyncs with the runtime; reported changes are acted on at once",
    seed: true,
  }),
  watermarkIntervalMs: withDefault({
    name: "WATERMARK_INTERVAL",
    schema: duration({ minMs: 10 }),
    default: {
      shown: `2s; at most HEARTBEAT_TIMEOUT/${WATERMARKS_PER_TIMEOUT}`,
      from: ({ text: get }) => {
        const timeout = parseDuration(get("HEARTBEAT_TIMEOUT") ?? HEARTBEAT_TIMEOUT_DEFAULT);
        const mostMs = timeout.ok ? timeout.value / WATERMARKS_PER_TIMEOUT : WATERMARK_MAX_MS;
        return formatDuration(Math.floor(Math.min(WATERMARK_MAX_MS, Math.max(10, mostMs))));
      },
    },
    describe: "Time between two ticks in the heartbeat topic, by which silence is measured",
  }),
  sessionTimeoutMs: withDefault({
    name: "SESSION_TIMEOUT",
    schema: duration({ minMs: SESSION_MIN_MS, maxMs: SESSION_MAX_MS }),
    default: "10s",
    describe: "Silence after which Kafka takes leadership away from a control plane",
  }),
  actWindowMs: withDefault({
    name: "ACT_WINDOW",
    schema: duration({ minMs: 100 }),
    default: "5s",
    describe: "How long after a fence an act may begin; a new leader waits as long",
  }),
} as const;

/** The fleet's present and former names, for `check kafka`. */
export const FLEET_TABLE = {
  ...OPERATOR_TABLE,
  fleetAliases: optional({
    name: "FLEET_ALIASES",
    schema: names(NAME_CHARS_MAX),
    without: "none",
    describe: "Former names of this fleet: their workers are ours, and the fleet may be renamed",
  }),
} as const;

export const CONTROL_PLANE_TABLE = {
  ...FLEET_TABLE,
  ...TIME_TABLE,
  cleanupBrakePercent: withDefault({
    name: "CLEANUP_BRAKE_PERCENT",
    schema: integer({ min: 0, max: 100 }),
    default: "30",
    describe: "No clean-up while more than this share of the clusters (and at least 3) is silent",
  }),
  topicPartitions: withDefault({
    name: "TOPIC_PARTITIONS",
    schema: integer({ min: 1, max: 1000 }),
    default: "6",
    describe: "Partitions of the heartbeat topic, when we create it",
  }),
  metricsPort: withDefault({
    name: "METRICS_PORT",
    schema: port(),
    default: "9090",
    describe: "Port of metrics, health and API; 0 takes a free one",
    seed: true,
  }),
  ...WORKER_TABLE,
} as const;
export type ControlPlaneConfig = Config<typeof CONTROL_PLANE_TABLE>;

const { heartbeatTimeoutMs, cleanupTimeoutMs, watermarkIntervalMs } = TIME_TABLE;
const { workerTlsCertFile, workerTlsKeyFile } = WORKER_TABLE;

const CONTROL_PLANE_CHECKS: readonly CrossCheck[] = [
  ...CONNECTION_CHECKS,
  check(
    { workerTlsCertFile, workerTlsKeyFile },
    ({ workerTlsCertFile: cert, workerTlsKeyFile: key }) => {
      if ((cert === undefined) === (key === undefined)) return undefined;
      const [name, other] = cert === undefined ? ["CERT", "KEY"] : ["KEY", "CERT"];
      const message = `is required when WORKER_TLS_${other}_FILE is set`;
      return { name: `WORKER_TLS_${name}_FILE`, message };
    },
  ),
  check({ heartbeatTimeoutMs, cleanupTimeoutMs }, (c) => {
    if (c.cleanupTimeoutMs > c.heartbeatTimeoutMs) return undefined;
    const least = formatDuration(c.heartbeatTimeoutMs);
    return tooWrong(
      "CLEANUP_TIMEOUT",
      c.cleanupTimeoutMs,
      `be longer than HEARTBEAT_TIMEOUT, ${least}`,
    );
  }),
  check({ heartbeatTimeoutMs, watermarkIntervalMs }, (c) => {
    const mostMs = c.heartbeatTimeoutMs / WATERMARKS_PER_TIMEOUT;
    if (c.watermarkIntervalMs <= mostMs) return undefined;
    const most = `at most HEARTBEAT_TIMEOUT/${WATERMARKS_PER_TIMEOUT}, ${formatDuration(mostMs)}`;
    return tooWrong("WATERMARK_INTERVAL", c.watermarkIntervalMs, `be ${most}`);
  }),
];

const tooWrong = (name: string, ms: number, must: string): Problem => ({
  name,
  value: formatDuration(ms),
  message: `must ${must}`,
});

type Problems = readonly Problem[];

export const readControlPlaneConfig = (
  environment: Environment,
  host: Host,
): Result<ControlPlaneConfig, Problems> =>
  parseEnvironment(CONTROL_PLANE_TABLE, CONTROL_PLANE_CHECKS, environment, host);

/** `check kafka`. */
export const readFleetConfig = (
  environment: Environment,
  host: Host,
): Result<Config<typeof FLEET_TABLE>, Problems> =>
  parseEnvironment(FLEET_TABLE, CONNECTION_CHECKS, environment, host);

/** `withdraw`, `release-brake`, `accept-registry`. */
export const readOperatorConfig = (
  environment: Environment,
  host: Host,
): Result<OperatorConfig, Problems> =>
  parseEnvironment(OPERATOR_TABLE, CONNECTION_CHECKS, environment, host);
