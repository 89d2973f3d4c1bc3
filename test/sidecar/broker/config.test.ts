/** The broker sidecar's variables: the seed's defaults and rules, and how a wrong one is told. */
import { describe, expect, test } from "bun:test";
import { problemText } from "../../../shared/config/table.ts";
import {
  type BrokerConfig,
  misconfiguration,
  readBrokerConfig,
  readShellConfig,
} from "../../../sidecar/broker/config.ts";
import { fixedHost } from "../../shared/config/fixed-host.ts";

const HOST = fixedHost({ "/password": "from a file\n" });
const POD = { HOSTNAME: "kafka-2" } as const;
const PLATFORM = {
  ...POD,
  CPLN_WORKLOAD: "/org/o/gvc/g/workload/kafka",
  CPLN_LOCATION: "/org/o/location/aws-us-west-2",
  CPLN_GVC: "my-gvc",
} as const;

function read(environment: Record<string, string>): BrokerConfig {
  const config = readBrokerConfig(environment, HOST);
  if (!config.ok) throw new Error(config.error.map(problemText).join("\n"));
  return config.value;
}
function wrong(environment: Record<string, string>): string {
  const config = readBrokerConfig(environment, HOST);
  return config.ok ? "" : misconfiguration(config.error);
}

describe("readBrokerConfig()", () => {
  test("has the seed's defaults, and ours", () => {
    expect<unknown>(read(POD)).toEqual({
      port: 8080,
      checkTimeoutMs: 10_000,
      probeIntervalMs: 2000,
      liveness: "local",
      livenessBrakeMs: 120_000,
      futureReplicas: "warn",
      diskFreeWarn: 0.1,
      replicaCount: 1,
      kafkaPort: 9092,
      hostname: "kafka-2",
      saslEnabled: false,
      saslMechanism: "PLAIN",
      tlsEnabled: false,
      logLevel: "info",
      logFormat: "json",
      topology: {
        brokerId: 2,
        local: { host: "127.0.0.1", port: 9092 },
        others: [],
        isSelfAmong: false,
        how: "only LOCAL_BROKER is asked: CPLN_WORKLOAD, CPLN_LOCATION, CPLN_GVC are not set, nor BOOTSTRAP_SERVERS",
      },
    });
  });

  const counts: readonly [string, number][] = [
    ["3", 3],
    ["1", 1],
    ["0", 1],
    ["-1", 1],
    ["", 1],
    ["1000", 1000],
  ];
  test.each(counts)("REPLICA_COUNT=%p counts as %d", (text, count) => {
    expect(read({ ...POD, REPLICA_COUNT: text }).replicaCount).toBe(count);
  });

  const replicas: readonly [string, Record<string, string>, readonly string[]][] = [
    [
      "what the platform sets",
      { REPLICA_COUNT: "2" },
      [
        "replica-0.kafka.aws-us-west-2.my-gvc.cpln.local:9092",
        "replica-1.kafka.aws-us-west-2.my-gvc.cpln.local:9092",
      ],
    ],
    [
      "WORKLOAD_NAME, LOCATION, GVC_NAME before it",
      { REPLICA_COUNT: "1", WORKLOAD_NAME: "w", LOCATION: "l", GVC_NAME: "g", KAFKA_PORT: "1" },
      ["replica-0.w.l.g.cpln.local:1"],
    ],
    ["GVC_ALIAS", { GVC_ALIAS: "a" }, ["kafka-0.kafka.a.svc.cluster.local:9092"]],
    [
      "not CPLN_GVC_ALIAS alone",
      { CPLN_GVC_ALIAS: "a" },
      ["replica-0.kafka.aws-us-west-2.my-gvc.cpln.local:9092"],
    ],
    [
      "BOOTSTRAP_SERVERS before all",
      { BOOTSTRAP_SERVERS: "a:1, b:2", GVC_ALIAS: "a" },
      ["a:1", "b:2"],
    ],
    [
      "an empty value is none",
      { WORKLOAD_NAME: "", BOOTSTRAP_SERVERS: "" },
      ["replica-0.kafka.aws-us-west-2.my-gvc.cpln.local:9092"],
    ],
  ];
  test.each(replicas)("finds the others by %s", (_what, environment, others) => {
    expect(read({ ...PLATFORM, ...environment }).topology.others).toEqual([...others]);
  });

  test("takes overrides of the broker id and the local broker", () => {
    const { topology } = read({ BROKER_ID: "5", LOCAL_BROKER: "[::1]:9095" });
    expect(topology).toMatchObject({ brokerId: 5, local: { host: "::1", port: 9095 } });
  });

  const shares: readonly [string, number][] = [
    ["0%", 0],
    ["2.5%", 0.025],
    ["100%", 1],
  ];
  test.each(shares)("DISK_FREE_WARN=%s is %d", (text, share) => {
    expect(read({ ...POD, DISK_FREE_WARN: text }).diskFreeWarn).toBe(share);
  });

  const refused: readonly [Record<string, string>, string][] = [
    [
      { SASL_ENABLED: "true", SASL_USERNAME: "u", SASL_PASSWORD: "p", SASL_MECHANISM: "GSSAPI" },
      "failed to configure SASL: unsupported SASL mechanism: GSSAPI (supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)",
    ],
    [
      { SASL_ENABLED: "true", SASL_USERNAME: "u" },
      "failed to configure SASL: SASL_PASSWORD: is required when SASL_ENABLED",
    ],
    [{ REPLICA_COUNT: "x" }, "failed to create kafka client: REPLICA_COUNT="],
    [{ KAFKA_PORT: "0" }, "failed to create kafka client: KAFKA_PORT="],
    [
      { CHECK_TIMEOUT: "10" },
      'failed to create kafka client: CHECK_TIMEOUT="10": a unit is missing',
    ],
    [{ PROBE_INTERVAL: "99ms" }, "failed to create kafka client: PROBE_INTERVAL="],
    [{ DISK_FREE_WARN: "101%" }, "failed to create kafka client: DISK_FREE_WARN="],
    [{ DISK_FREE_WARN: "0.1" }, "failed to create kafka client: DISK_FREE_WARN="],
    [{ LIVENESS: "both" }, "failed to create kafka client: LIVENESS="],
    [{ LOCAL_BROKER: "localhost" }, "failed to create kafka client: LOCAL_BROKER="],
    [
      { LOCAL_BROKER: "::1" },
      'failed to create kafka client: LOCAL_BROKER="::1": is an IPv6 address without brackets',
    ],
    [
      { LOCAL_BROKER: "fd00::1:9092" },
      'failed to create kafka client: LOCAL_BROKER="fd00::1:9092": is an IPv6 address',
    ],
    [{ BOOTSTRAP_SERVERS: "a:x" }, "failed to create kafka client: BOOTSTRAP_SERVERS="],
    [{ HOSTNAME: "kafka" }, "failed to create kafka client: BROKER_ID: is required: HOSTNAME"],
  ];
  test.each(refused)("says what is wrong with %p", (environment, text) => {
    expect(wrong({ ...POD, ...environment })).toStartWith(text);
  });

  test("tells all that is wrong, and no secret", () => {
    const text = wrong({
      ...{ KAFKA_PORT: "x", SASL_ENABLED: "true", SASL_USERNAME: "u" },
      SASL_PASSWORD: "cpln://secret/kafka.password",
    });
    expect(text).toMatch(/^failed to configure SASL: SASL_PASSWORD: still begins with .*; failed/u);
    expect(text).toContain("KAFKA_PORT=");
    expect(text).toContain("BROKER_ID: is required");
    expect(text).not.toContain("kafka.password");
  });
});

describe("readShellConfig()", () => {
  test("serves by what is right, and by the default where it is wrong", () => {
    const shell = readShellConfig({ PORT: "9000", LOG_LEVEL: "loud", SASL_MECHANISM: "x" }, HOST);
    expect(shell).toMatchObject({ port: 9000, logLevel: "info", logFormat: "json" });
    expect(readShellConfig({ PORT: "http", HOSTNAME: "kafka-1" }, HOST)).toMatchObject({
      ...{ port: 8080, hostname: "kafka-1" },
    });
  });
});
