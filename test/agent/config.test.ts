/** The agent's variables: defaults as in the contract, limits at and past each. */
import { describe, expect, test } from "bun:test";
import { readAgentConfig } from "../../agent/config.ts";
import { problemText } from "../../shared/config/table.ts";
import { fixedHost } from "../shared/config/fixed-host.ts";

const read = (environment: Record<string, string>) =>
  readAgentConfig({ CLIENT_ID: "af-10", ...environment }, fixedHost());
const problems = (environment: Record<string, string>) => {
  const config = read(environment);
  return config.ok ? [] : config.error.map(problemText);
};

describe("readAgentConfig()", () => {
  test("has the contract's defaults", () => {
    const config = read({});
    expect(config.ok && config.value).toMatchObject({
      clusterName: "af-10",
      clusterVersion: undefined,
      heartbeatIntervalMs: 30_000,
      hookTimeoutMs: 60_000,
      port: 8080,
      kafkaBrokers: ["kafka:9092"],
      logLevel: "info",
    });
  });
  test.each(["1s", "1h", "3600s"])("takes a heartbeat interval of %s", (text) => {
    expect(problems({ HEARTBEAT_INTERVAL: text })).toEqual([]);
  });
  test.each(["999ms", "3601s", "30"])("refuses a heartbeat interval of %s", (text) => {
    expect(problems({ HEARTBEAT_INTERVAL: text })).toHaveLength(1);
  });
  test.each(["A", "Prod_EU", "client_007", "a.b-", "10", "a".repeat(200)])(
    "takes the client id %p",
    (text) => {
      expect(problems({ CLIENT_ID: text })).toEqual([]);
    },
  );
  test.each(["1s", "24h"])("takes a hook timeout of %s", (text) => {
    expect(problems({ HOOK_TIMEOUT: text })).toEqual([]);
  });
  test.each(["999ms", "86401s", "597h"])("refuses a hook timeout of %s", (text) => {
    expect(problems({ HOOK_TIMEOUT: text })).toHaveLength(1);
  });
  test.each(["", "-a", ".a", "_watermark", "a b", "a/b", "ü", "a".repeat(201)])(
    "refuses the client id %p",
    (text) => expect(problems({ CLIENT_ID: text }).join()).toContain("CLIENT_ID"),
  );
});
