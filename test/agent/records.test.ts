/** The agent's identity as records, read back by the protocol's own reader. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { JITTER, untilNextBeatMs } from "../../agent/heartbeat/interval.ts";
import {
  type HeartbeatContent,
  heartbeatRecord,
  REASON_CHARS_MAX,
  registrationRecord,
  tombstoneRecord,
} from "../../agent/records.ts";
import type { OutRecord } from "../../shared/kafka/batch/record.ts";
import { decodeHeartbeat, decodeRegistry } from "../../shared/protocol/message.ts";
import { anIdentity, clientId } from "./given.ts";

const bytes = (field: OutRecord["value"]) => (field === null ? null : Buffer.from(field));
const AT = Date.parse("2026-01-02T03:04:05.678Z");

const beat: HeartbeatContent = {
  clientId: clientId("af-10"),
  instanceId: "i-1",
  ask: false,
  sequence: 7,
  atMs: AT,
  condition: { status: "healthy" },
  resourcesSent: 0,
  uptimeMs: 12_999,
};

test("registrationRecord() says the fields of the contract, and no instance", () => {
  const { key, value } = registrationRecord(anIdentity(), AT);
  expect(key).toBe("af-10");
  expect(JSON.parse(String(value))).toEqual({
    client_id: "af-10",
    cluster_name: "Africa 10",
    version: "1.2.3",
    registered_at: "2026-01-02T03:04:05.678Z",
    metadata: { namespace: "outrider", release_name: "edge" },
    heartbeat_interval_seconds: 30,
    protocol: 1,
  });
});

test("registrationRecord() leaves out what is not known, and is accepted", () => {
  const bare = anIdentity({
    clusterVersion: undefined,
    namespace: undefined,
    releaseName: undefined,
    heartbeatIntervalMs: 1500,
  });
  const { key, value } = registrationRecord(bare, AT);
  expect(JSON.parse(String(value))).toEqual({
    client_id: "af-10",
    cluster_name: "Africa 10",
    registered_at: "2026-01-02T03:04:05.678Z",
    metadata: {},
    heartbeat_interval_seconds: 1.5,
    protocol: 1,
  });
  expect(decodeRegistry(bytes(key), bytes(value)).ok).toBe(true);
});

test("registrationRecord() is the same for the same moment", () => {
  expect(registrationRecord(anIdentity(), AT)).toEqual(registrationRecord(anIdentity(), AT));
});

test("tombstoneRecord() is a null value under the client id", () => {
  const { key, value } = tombstoneRecord(anIdentity());
  expect(value).toBeNull();
  expect(decodeRegistry(bytes(key), null)).toEqual({
    ok: true,
    value: { kind: "tombstone", clientId: clientId("af-10") },
  });
});

test("both name their installation where there is one, and a forced tombstone says so", () => {
  const identity = anIdentity({ installationId: "i-9" });
  expect(JSON.parse(String(registrationRecord(identity, AT).value))).toMatchObject({
    installation_id: "i-9",
  });
  expect(tombstoneRecord(identity).headers).toEqual({ "outrider-installation-id": "i-9" });
  expect(tombstoneRecord(anIdentity(), true).headers).toEqual({ "outrider-force": "true" });
  expect(tombstoneRecord(anIdentity()).headers).toEqual({});
});

test("heartbeatRecord() says the fields of the contract", () => {
  const { key, value } = heartbeatRecord(beat);
  expect(key).toBe("af-10");
  expect(JSON.parse(String(value))).toEqual({
    client_id: "af-10",
    timestamp: "2026-01-02T03:04:05.678Z",
    status: "healthy",
    metrics: { resources_sent: 0, uptime_seconds: 12 },
    sequence: 7,
    instance_id: "i-1",
  });
});

test("heartbeatRecord() cuts a reason at what readers keep", () => {
  for (const [length, kept] of [
    [REASON_CHARS_MAX, REASON_CHARS_MAX],
    [REASON_CHARS_MAX + 1, REASON_CHARS_MAX],
  ]) {
    const reason = "x".repeat(length ?? 0);
    const { key, value } = heartbeatRecord({ ...beat, condition: { status: "degraded", reason } });
    const read = decodeHeartbeat(bytes(key), bytes(value));
    const heartbeat = read.ok && read.value.kind === "heartbeat" ? read.value.heartbeat : undefined;
    expect(heartbeat?.reason?.length).toBe(kept);
  }
});

test("untilNextBeatMs() stays within a tenth of the interval", () => {
  const intervals = fc.double({ min: 1000, max: 3_600_000, noNaN: true });
  const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(intervals, chances, (intervalMs, chance) => {
      const ms = untilNextBeatMs(intervalMs, chance);
      const slack = intervalMs * 1e-9;
      expect(ms).toBeGreaterThanOrEqual(intervalMs * (1 - JITTER) - slack);
      expect(ms).toBeLessThanOrEqual(intervalMs * (1 + JITTER) + slack);
    }),
  );
  expect(untilNextBeatMs(1000, 0)).toBeCloseTo(900, 6);
  expect(untilNextBeatMs(1000, 0.5)).toBeCloseTo(1000, 6);
});
