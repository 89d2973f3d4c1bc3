/** The sidecar's variables: defaults as in the contract, and the rules across them. */
import { describe, expect, test } from "bun:test";
import { problemText } from "../../../shared/config/table.ts";
import {
  readControlPlaneConfig,
  readOperatorConfig,
} from "../../../sidecar/control-plane/config.ts";
import { fixedHost } from "../../shared/config/fixed-host.ts";

const HOST = fixedHost({}, { writable: true });
const read = (environment: Record<string, string>) => {
  const config = readControlPlaneConfig(environment, HOST);
  if (!config.ok) throw new Error(config.error.map(problemText).join("\n"));
  return config.value;
};
const problems = (environment: Record<string, string>) => {
  const config = readControlPlaneConfig(environment, HOST);
  return config.ok ? [] : config.error.map(problemText);
};

describe("readControlPlaneConfig()", () => {
  test("has the contract's defaults", () => {
    const { neo4jPass, ...config } = read({});
    expect(neo4jPass.read()).toBe("password");
    expect<unknown>(config).toEqual({
      kafkaBrokers: ["kafka:9092"],
      saslEnabled: false,
      saslMechanism: "PLAIN",
      tlsEnabled: false,
      logLevel: "info",
      logFormat: "json",
      heartbeatTimeoutMs: 120_000,
      cleanupTimeoutMs: 300_000,
      reconcileIntervalMs: 30_000,
      watermarkIntervalMs: 2000,
      sessionTimeoutMs: 10_000,
      actWindowMs: 5000,
      cleanupBrakePercent: 30,
      topicPartitions: 6,
      metricsPort: 9090,
      kubernetesMode: false,
      dockerNetwork: "mini-server-prod_kg-network",
      graphBuilderImage: "anuragvishwa/kg-graph-builder:1.0.20",
      memoryLimitBytes: 268_435_456,
      cpuLimitMillis: 500,
      workerServiceAccount: "default",
      processAsPid1: false,
      workerInheritKafkaAuth: false,
      workerMinReadyMs: 60_000,
      workerSecrets: "env",
      stateDir: "/var/lib/outrider",
      neo4jUri: "neo4j://neo4j:7687",
      neo4jUser: "neo4j",
    });
  });

  const watermarks: readonly [string, number][] = [
    ["2m", 2000],
    ["24s", 2000],
    ["12s", 1000],
    ["3s", 250],
  ];
  test.each(watermarks)("with HEARTBEAT_TIMEOUT=%s a tick comes every %d ms", (timeout, ms) => {
    expect(read({ HEARTBEAT_TIMEOUT: timeout }).watermarkIntervalMs).toBe(ms);
  });

  const right: readonly Record<string, string>[] = [
    { HEARTBEAT_TIMEOUT: "12s", WATERMARK_INTERVAL: "1s" },
    { HEARTBEAT_TIMEOUT: "2m", CLEANUP_TIMEOUT: "120001ms" },
    { SESSION_TIMEOUT: "6s" },
    { CLEANUP_BRAKE_PERCENT: "100" },
  ];
  test.each([...right])("takes %p", (environment) => expect(problems(environment)).toEqual([]));

  const wrong: readonly [Record<string, string>, string][] = [
    [
      { HEARTBEAT_TIMEOUT: "12s", WATERMARK_INTERVAL: "1001ms" },
      'WATERMARK_INTERVAL="1.001s": must be at most HEARTBEAT_TIMEOUT/12, 1s',
    ],
    [
      { HEARTBEAT_TIMEOUT: "2m", CLEANUP_TIMEOUT: "2m" },
      'CLEANUP_TIMEOUT="2m": must be longer than HEARTBEAT_TIMEOUT, 2m',
    ],
    [
      { SESSION_TIMEOUT: "5999ms" },
      'SESSION_TIMEOUT="5999ms": is shorter than 6s (allowed: a duration, 6s to 30m)',
    ],
    [
      { CLEANUP_BRAKE_PERCENT: "101" },
      'CLEANUP_BRAKE_PERCENT="101": is more than 100 (allowed: a whole number, 0 to 100)',
    ],
    [
      { GB_MEMORY_LIMIT: "5M" },
      'GB_MEMORY_LIMIT="5M": is less than 6M (allowed: an amount of memory, 6M or more)',
    ],
    [
      { HEARTBEAT_TIMEOUT: "2" },
      'HEARTBEAT_TIMEOUT="2": a unit is missing: 2s or 2m? (allowed: a duration, 1s or more)',
    ],
  ];
  test.each(wrong)("refuses %p", (environment, message) => {
    expect(problems(environment)).toEqual([message]);
  });

  test("keeps its state with the user where the system's directory is not writable", () => {
    const place = (environment: Record<string, string>) => {
      const config = readControlPlaneConfig(environment, fixedHost());
      return config.ok && config.value.stateDir;
    };
    expect(place({ HOME: "/home/u" })).toBe("/home/u/.local/state/outrider");
    expect(place({ HOME: "/home/u", XDG_STATE_HOME: "/state" })).toBe("/state/outrider");
    expect(place({ STATE_DIR: "/x" })).toBe("/x");
    expect(place({})).toBe("/var/lib/outrider");
  });
});

test("readOperatorConfig() needs nothing", () => {
  expect(readOperatorConfig({}, HOST).ok).toBe(true);
});
