/** `sidecar withdraw --dead-for`: who is meant, and when nobody can say. */
import { describe, expect, test } from "bun:test";
import { createFleet } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import {
  ageText,
  deadLine,
  listenedMs,
  longDead,
  proofMs,
  stillDead,
} from "../../../../sidecar/control-plane/operator/long-dead.ts";
import { clusterOf, idOf } from "../sample.ts";

const DAY_MS = 86_400_000;
const NOW = 100 * DAY_MS;
const deadOf = (id: string, days: number, changes = {}) =>
  clusterOf({
    ...{ clientId: idOf(id), state: "dead", reason: "silent", sinceMs: NOW - days * DAY_MS },
    ...changes,
  });

function fleetOf(...clusters: readonly ReturnType<typeof clusterOf>[]) {
  const fleet = createFleet();
  for (const cluster of clusters) fleet.clusters.set(cluster.clientId, cluster);
  return fleet;
}

describe("longDead()", () => {
  test("takes the dead alone, from the limit on, longest dead first", () => {
    const fleet = fleetOf(
      ...[deadOf("b", 30), deadOf("young", 29.99), deadOf("a", 40), deadOf("c", 30)],
      ...[deadOf("stale", 40, { state: "stale" }), deadOf("lives", 40, { state: "active" })],
      deadOf("gone", 40, { state: "withdrawn" }),
      deadOf("new", 40, { state: "registered" }),
    );
    const ids = longDead(fleet, 30 * DAY_MS, NOW).map(({ clientId }) => String(clientId));
    expect(ids).toEqual(["a", "b", "c"]);
  });
});

describe("stillDead()", () => {
  test("leaves out who was heard, and who registered again", () => {
    const shown = [deadOf("a", 40), deadOf("heard", 40), deadOf("again", 40)];
    const registry = { partition: 0, offset: 9, value: "{}", headers: {} };
    const now = [deadOf("a", 40), deadOf("again", 40, { registry })];
    expect(stillDead(shown, now).map(String)).toEqual(["a"]);
  });
});

describe("proofMs() and listenedMs()", () => {
  test.each([
    [[30], 300_000],
    [[3600, 1], 36_000_000],
    [[1, 2], 20_000],
    [[undefined], 300_000],
    [[1, undefined], 300_000],
    [[], 0],
  ] as const)("of intervals %j is %d ms", (intervals, ms) => {
    expect(proofMs(intervals.map((intervalSeconds) => deadOf("a", 1, { intervalSeconds })))).toBe(
      ms,
    );
  });
  test("a leader's ticks say for how long it has listened", () => {
    const tick = { epoch: 1, sequence: 150, interval_ms: 2000, instance: "x" };
    expect(listenedMs(tick)).toBe(300_000);
  });
});

test.each([
  [30 * DAY_MS, "30d"],
  [1.5 * DAY_MS, "1d"],
  [3_600_000, "1h"],
  [90_500, "1m30s"],
])("ageText(%d) is %s", (ms, text) => expect(ageText(ms)).toBe(text));

test("deadLine() begins with the id, and says since when and why", () => {
  expect(deadLine(deadOf("af-1", 31), NOW)).toBe(
    "  af-1  dead since 1970-03-11T00:00:00.000Z (31d), silent",
  );
  expect(deadLine(deadOf("af-1", 31, { reason: "never-heard" }), NOW)).toContain("never heard");
});
