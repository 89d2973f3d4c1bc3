/**
 * The variables of `sidecar broker`: the original's, what Control Plane sets, and ours. A wrong one does
 * not end the process, since its crash would look like Kafka's: it is reported as not ready.
 */
import * as v from "valibot";
import type { Host } from "../../shared/config/host.ts";
import { brokerList, CONNECTION_CHECKS, CONNECTION_TABLE } from "../../shared/config/kafka.ts";
import { duration, integer, oneOf, path, port, text } from "../../shared/config/schema.ts";
import {
  type Config,
  type CrossCheck,
  check,
  type Environment,
  optional,
  type Problem,
  parseEnvironment,
  problemText,
  withDefault,
} from "../../shared/config/table.ts";
import { isBareIpv6, parseBrokerAddress } from "../../shared/kafka/settings.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import {
  BROKER_ID_MAX,
  brokerIdOf,
  discover,
  type Given,
  locationOf,
  type Topology,
  workloadOf,
} from "./topology.ts";

const REPLICAS_MAX = 1000;
const NAME_CHARS_MAX = 253;
const PORT_MAX = 65_535;
/** Liveness must not be checked less often than the kubelet probes. */
const PROBE_INTERVAL_MAX_MS = 60_000;
const CHECK_TIMEOUT_MAX_MS = 86_400_000;
const LIVENESS_BRAKE_MAX_MS = 3_600_000;

const name = () => text(NAME_CHARS_MAX, "a name");

const address = v.pipe(
  text(NAME_CHARS_MAX, "host:port"),
  v.check((value) => parseBrokerAddress(value) !== undefined, "is no host:port"),
  v.check(
    (value) => !isBareIpv6(value),
    "is an IPv6 address without brackets, whose port is ambiguous: write [::1]:9092",
  ),
  v.check((value) => /:\d+$/u.test(value), "has no port"),
  v.transform(parseBrokerAddress),
);

/** A share of a whole, from a percentage. */
const percent = v.pipe(
  v.string(),
  v.description("a percentage, 0% to 100%"),
  v.regex(/^\d{1,3}(?:\.\d{1,3})?%$/u, "is no percentage such as 10%"),
  v.transform((value) => Number(value.slice(0, -1)) / 100),
  v.maxValue(1, "is more than 100%"),
);

const REPLICA_TABLE = {
  replicaCount: withDefault({
    name: "REPLICA_COUNT",
    schema: v.pipe(
      integer({ min: -REPLICAS_MAX, max: REPLICAS_MAX }),
      v.transform((count) => Math.max(1, count)),
    ),
    default: "1",
    describe: "Number of Kafka's replicas, from which their names are built; 0 and less count as 1",
    seed: true,
  }),
  kafkaPort: withDefault({
    name: "KAFKA_PORT",
    schema: integer({ min: 1, max: PORT_MAX }),
    default: "9092",
    describe: "Kafka's port on every replica",
    seed: true,
  }),
  brokerId: optional({
    name: "BROKER_ID",
    schema: integer({ min: 0, max: BROKER_ID_MAX }),
    without: "the number after the last dash of HOSTNAME",
    describe: "The id of the broker beside us",
    seed: true,
  }),
  workloadName: optional({
    name: "WORKLOAD_NAME",
    schema: name(),
    without: "what follows /workload/ in CPLN_WORKLOAD",
    describe: "The workload that Kafka's replicas belong to",
    seed: true,
  }),
  location: optional({
    name: "LOCATION",
    schema: name(),
    without: "what follows the last / in CPLN_LOCATION",
    describe: "The location that they run in",
    seed: true,
  }),
  gvcName: optional({
    name: "GVC_NAME",
    schema: name(),
    without: "CPLN_GVC",
    describe: "The global virtual cloud that they run in",
    seed: true,
  }),
  gvcAlias: optional({
    name: "GVC_ALIAS",
    schema: name(),
    without: "names such as replica-0.kafka.aws-us-west-2.my-gvc.cpln.local",
    describe:
      "Name replicas by the headless service in this namespace, whose names exist before they are ready",
  }),
  bootstrapServers: optional({
    name: "BOOTSTRAP_SERVERS",
    schema: brokerList,
    without:
      "built from REPLICA_COUNT and the names above; without those only LOCAL_BROKER is asked",
    describe: "All of Kafka's replicas",
    seed: true,
  }),
  localBroker: optional({
    name: "LOCAL_BROKER",
    schema: address,
    without:
      "this broker's entry in BOOTSTRAP_SERVERS unless KAFKA_PORT is set; else 127.0.0.1:KAFKA_PORT",
    describe: "Where the broker beside us listens",
  }),
  hostname: optional({
    name: "HOSTNAME",
    schema: name(),
    without: "BROKER_ID is required",
    describe: "The pod's name, set by the platform; gives the broker id",
    seed: true,
  }),
  cplnWorkload: optional({
    name: "CPLN_WORKLOAD",
    schema: path("a link"),
    describe: "Set by Control Plane",
    seed: true,
  }),
  cplnLocation: optional({
    name: "CPLN_LOCATION",
    schema: path("a link"),
    describe: "Set by Control Plane",
    seed: true,
  }),
  cplnGvc: optional({
    name: "CPLN_GVC",
    schema: name(),
    describe: "Set by Control Plane",
    seed: true,
  }),
} as const;

const PROBE_TABLE = {
  port: withDefault({
    name: "PORT",
    schema: port(),
    default: "8080",
    describe: "Port of probes and metrics; 0 takes a free one",
    seed: true,
  }),
  checkTimeoutMs: withDefault({
    name: "CHECK_TIMEOUT",
    schema: duration({ minMs: 100, maxMs: CHECK_TIMEOUT_MAX_MS }),
    default: "10s",
    describe: "Deadline of a round of checks; PROBE_INTERVAL, if that is shorter",
    seed: true,
  }),
  probeIntervalMs: withDefault({
    name: "PROBE_INTERVAL",
    schema: duration({ minMs: 100, maxMs: PROBE_INTERVAL_MAX_MS }),
    default: "2s",
    describe: "Time between two rounds of checks; a verdict older than three is unknown",
  }),
  liveness: withDefault({
    name: "LIVENESS",
    schema: oneOf(["local", "cluster"] as const),
    default: "local",
    describe:
      "What liveness asks. local: only the broker beside us; cluster: as the original, also fails one that is not registered, or whose metadata cannot be read",
  }),
  livenessBrakeMs: withDefault({
    name: "LIVENESS_BRAKE",
    schema: duration({ minMs: 0, maxMs: LIVENESS_BRAKE_MAX_MS }),
    default: "2m",
    describe:
      "While most other brokers are silent too, time between the brokers' turns to fail liveness; 0 turns the brake off",
  }),
  futureReplicas: withDefault({
    name: "FUTURE_REPLICAS",
    schema: oneOf(["warn", "fail"] as const),
    default: "warn",
    describe:
      "How a replica that moves to another log directory counts; fail makes the broker unready, as in the original",
  }),
  diskFreeWarn: withDefault({
    name: "DISK_FREE_WARN",
    schema: percent,
    default: "10%",
    describe: "Free share of a log directory's volume below which there is a warning",
  }),
  kafkaCgroup: optional({
    name: "KAFKA_CGROUP",
    schema: path("self or a cgroup's directory"),
    without: "that of Kafka's process",
    describe: "Whose memory is read; self is the sidecar's own, as in the original",
  }),
} as const;

export const BROKER_TABLE = { ...PROBE_TABLE, ...REPLICA_TABLE, ...CONNECTION_TABLE } as const;
type Variables = Config<typeof BROKER_TABLE>;
export type BrokerConfig = Variables & { readonly topology: Topology };

const { brokerId, hostname } = REPLICA_TABLE;

const BROKER_ID: CrossCheck = check({ brokerId, hostname }, (config) => {
  const found = brokerIdOf(config);
  return found.ok ? undefined : found.error;
});

/**
 * The variables that are needed to serve HTTP even if others are wrong; each has its default if it is wrong
 * itself.
 */
const SHELL_TABLE = {
  port: PROBE_TABLE.port,
  logLevel: CONNECTION_TABLE.logLevel,
  logFormat: CONNECTION_TABLE.logFormat,
  brokerId,
  hostname,
} as const;
export type ShellConfig = Config<typeof SHELL_TABLE>;

function givenOf(config: Config<typeof REPLICA_TABLE>, environment: Environment): Given {
  const { cplnWorkload, cplnLocation } = config;
  return {
    ...config,
    isPortGiven: (environment["KAFKA_PORT"] ?? "") !== "",
    workload: config.workloadName ?? (cplnWorkload && workloadOf(cplnWorkload)),
    location: config.location ?? (cplnLocation && locationOf(cplnLocation)),
    gvc: config.gvcName ?? config.cplnGvc,
  };
}

export function readBrokerConfig(
  environment: Environment,
  host: Host,
): Result<BrokerConfig, readonly Problem[]> {
  const checks = [...CONNECTION_CHECKS, BROKER_ID];
  const read = parseEnvironment(BROKER_TABLE, checks, environment, host);
  if (!read.ok) return read;
  const topology = discover(givenOf(read.value, environment));
  return topology.ok ? ok({ ...read.value, topology: topology.value }) : err([topology.error]);
}

export function readShellConfig(environment: Environment, host: Host): ShellConfig {
  const readOne = (names: Environment) => parseEnvironment(SHELL_TABLE, [], names, host);
  const all = readOne(environment);
  if (all.ok) return all.value;
  const wrong = all.error.map((problem) => problem.name);
  const good = Object.entries(environment).filter(([variable]) => !wrong.includes(variable));
  const rest = readOne(Object.fromEntries(good));
  if (!rest.ok)
    throw new Error(`the defaults are wrong: ${rest.error.map(problemText).join("; ")}`);
  return rest.value;
}

const SASL = /^SASL_/u;

/** What is wrong, in one line, with the original's text if it has one. */
export function misconfiguration(problems: readonly Problem[]): string {
  const ofSasl = problems.filter((problem) => SASL.test(problem.name)).map(saslText);
  const rest = problems.filter((problem) => !SASL.test(problem.name)).map(problemText);
  return [
    ...(ofSasl.length === 0 ? [] : [`failed to configure SASL: ${ofSasl.join("; ")}`]),
    ...(rest.length === 0 ? [] : [`failed to create kafka client: ${rest.join("; ")}`]),
  ].join("; ");
}

/** The original names no variable when a mechanism is unknown. */
const saslText = (problem: Problem): string =>
  problem.name === "SASL_MECHANISM" ? problem.message : problemText(problem);
