/** Folding a batch of heartbeats: whose beat counts, whose is only shown, which ticks are our own. */

import { describe, expect, test } from "bun:test";
import type { KafkaRecord } from "../../../../shared/kafka/batch/record.ts";
import { toBytes } from "../../../../shared/protocol/json.ts";
import { encodeTick } from "../../../../shared/protocol/message.ts";
import { createExpiry } from "../../../../sidecar/control-plane/fleet/expiry.ts";
import { createFleet } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { createAges } from "../../../../sidecar/control-plane/fleet/observed-time.ts";
import {
  type BeatDeps,
  createBeatCounts,
  foldBeats,
} from "../../../../sidecar/control-plane/heartbeat/fold.ts";
import { clockOf } from "../../../clock.ts";
import { A, B, clusterOf } from "../sample.ts";

const TIMES = { heartbeatTimeoutMs: 12_000, cleanupTimeoutMs: 30_000 };
const EPOCH = 7;

const recordOf = (key: string, value: string, timestampMs = 0): KafkaRecord => ({
  offset: 0,
  timestampMs,
  timestampType: "append",
  key: Buffer.from(toBytes(key)),
  value: Buffer.from(toBytes(value)),
  headers: () => ({}),
});
const beatOf = (id: string, more: object = {}, key: string = id) =>
  recordOf(key, JSON.stringify({ client_id: id, ...more }), Date.parse("2026-01-01T00:00:10Z"));
const tickOf = (epoch: number, sequence: number) =>
  recordOf("_watermark", encodeTick({ epoch, sequence, interval_ms: 1_000, instance: "i" }));

function openFold() {
  const ages = createAges({ partitions: 1, intervalMs: 1_000, ...TIMES });
  const expiry = createExpiry(ages, TIMES);
  const fleet = createFleet();
  const cluster = clusterOf({ state: "registered", reason: "registration" });
  fleet.clusters.set(A, cluster);
  const seen: {
    beats: (number | undefined)[];
    changed: number;
    conflicts: number;
    asked: string[];
    unregistered: string[];
  } = {
    beats: [],
    changed: 0,
    conflicts: 0,
    asked: [],
    unregistered: [],
  };
  const refused: string[] = [];
  const counts = createBeatCounts();
  const deps: BeatDeps = {
    fleet,
    ages,
    expiry,
    counts,
    isOwn: (tick) => tick.epoch === EPOCH,
    beat: (_ageMs, skewMs) => seen.beats.push(skewMs),
    settings: TIMES,
    asked: (clientId) => seen.asked.push(clientId),
    conflictChanged: () => {
      seen.conflicts += 1;
    },
    changed: () => {
      seen.changed += 1;
    },
    unregistered: (clientId) => seen.unregistered.push(clientId),
    refused: ({ error }) => refused.push(error.code),
    clock: clockOf({ nowMs: () => 0 }),
  };
  const fold = (...records: readonly KafkaRecord[]) =>
    foldBeats(deps, {
      topic: "cluster.heartbeat",
      partition: 0,
      records,
      corrupt: [],
      nextOffset: 1,
      highWatermark: 1,
    });
  return { fold, ages, cluster, counts, seen, refused };
}

describe("foldBeats()", () => {
  test("a first beat makes active, and its skew is the broker's time less the sender's", () => {
    const { fold, cluster, seen } = openFold();
    fold(
      beatOf(A, { timestamp: "2026-01-01T00:00:07Z" }),
      beatOf(A),
      beatOf(A, { timestamp: "x" }),
    );
    expect(cluster.state).toBe("active");
    expect(seen.beats).toEqual([3_000, undefined, undefined]);
    expect(seen.changed).toBe(1);
  });
  test("a beat of somebody not registered is counted, told and makes no state", () => {
    const { fold, counts, seen } = openFold();
    fold(beatOf(B), beatOf(B));
    expect([counts.unregisteredBeats, counts.unregistered.get(B)]).toEqual([2, 2]);
    expect(seen.unregistered).toEqual([B, B]);
  });
  test("a key of the form X::X counts as X, and as legacy", () => {
    const { fold, counts, cluster } = openFold();
    fold(beatOf(A, {}, `${A}::${A}`));
    expect([counts.legacyKeys, cluster.state]).toEqual([1, "active"]);
  });
  test("garbage is refused, and what follows it is folded", () => {
    const { fold, refused, cluster } = openFold();
    fold(recordOf(A, "not json"), recordOf("../x", "{}"), beatOf(A));
    expect(refused).toEqual(["value-not-json", "key-invalid"]);
    expect(cluster.state).toBe("active");
  });
  test("own ticks move the clocks, another leader's do not", () => {
    const { fold, ages } = openFold();
    ages.sent(1, 0);
    ages.sent(2, 1_000);
    expect([...fold(tickOf(EPOCH, 1), tickOf(EPOCH - 1, 2))]).toEqual([0, 1]);
    expect(ages.observedMs(0)).toBe(0);
    fold(tickOf(EPOCH, 2));
    expect(ages.observedMs(0)).toBe(1_000);
  });
  test("a beat behind a tick is as young as the tick", () => {
    const { fold, ages, cluster } = openFold();
    ages.sent(1, 0);
    ages.sent(2, 1_000);
    fold(beatOf(A), tickOf(EPOCH, 1), tickOf(EPOCH, 2), beatOf(A));
    expect(cluster.seen).toEqual({ clock: 0, atMs: 1_000 });
  });
});
