/** The brake: at its limits and one past them, and what it counts. */
import { describe, expect, test } from "bun:test";
import { readBrake } from "../../../../sidecar/control-plane/fleet/brake.ts";
import type { Cluster } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { clusterOf, idOf } from "../sample.ts";

const WORKER = {
  runtime: "process",
  instance: "1",
  spec_hash: "s",
  restarts: 0,
  state: "running",
} as const;

const fleetOf = (count: number, changes: Partial<Cluster> = {}): readonly Cluster[] =>
  Array.from({ length: count }, (_, index) =>
    clusterOf({ clientId: idOf(`c${index}`), beaten: true, worker: WORKER, ...changes }),
  );

describe("readBrake()", () => {
  const cases: readonly [number, number, number, boolean][] = [
    [0, 0, 30, false],
    [2, 2, 30, false],
    [3, 3, 30, true],
    [3, 10, 30, false],
    [4, 10, 30, true],
    [3, 9, 30, true],
    [30, 100, 30, false],
    [31, 100, 30, true],
    [3, 3, 100, false],
    [3, 1_000, 0, true],
    [2, 1_000, 0, false],
  ];
  test.each(cases)("%d silent of %d at %d %%: %p", (silent, counted, percent, holds) => {
    const isSilent = new Set(fleetOf(silent).map(({ clientId }) => clientId));
    const got = readBrake(fleetOf(counted), ({ clientId }) => isSilent.has(clientId), percent);
    expect(got).toEqual({ holds, silent, counted });
  });

  const counted: readonly [string, Partial<Cluster>, number][] = [
    ["one held past its last deadline", { state: "stale" }, 1],
    ["one declared dead whose worker is not gone yet", { state: "dead" }, 1],
    ["one whose worker is gone", { state: "dead", worker: null }, 0],
    ["one that has not beaten since its worker started", { beaten: false }, 0],
    ["one that an operator released", { released: true }, 0],
    ["one that is withdrawn", { state: "withdrawn" }, 0],
  ];
  test.each(counted)("counts %s", (_name, changes, each) => {
    const got = readBrake(fleetOf(3, changes), () => true, 30);
    expect(got).toEqual({ holds: each === 1, silent: 3 * each, counted: 3 * each });
  });

  test("holds until beats return: those held stay in both counts", () => {
    const fleet = fleetOf(10);
    const silent = new Set(fleet.slice(0, 5));
    const read = () => readBrake(fleet, (cluster) => silent.has(cluster), 30).holds;
    const held = fleet.slice(0, 5).map((cluster) => {
      cluster.state = "stale";
      const before = read();
      silent.delete(cluster);
      return before;
    });
    expect([...held, read()]).toEqual([true, true, false, false, false, false]);
  });
});
