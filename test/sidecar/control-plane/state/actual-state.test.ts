/** What runs: listings, and our own acts since they began. */
import { describe, expect, test } from "bun:test";
import type { Worker } from "../../../../sidecar/control-plane/runtime/runtime.ts";
import { createActual } from "../../../../sidecar/control-plane/state/actual-state.ts";
import { workerNameOf } from "../../../../sidecar/control-plane/worker/spec.ts";
import { A, B, FLEET, idOf, workerOf } from "../sample.ts";

const listing = (...workers: readonly Worker[]) => ({ workers, foreign: [] });
const listed = (...workers: readonly Worker[]) => {
  const actual = createActual(FLEET);
  actual.fold(listing(...workers), actual.mark());
  return actual;
};
const running = workerOf();
const exited = workerOf({ state: "exited" });

describe("createActual()", () => {
  test("knows nothing before the first listing, and again while listing fails", () => {
    const actual = createActual(FLEET);
    expect(actual.listed()).toBe(false);
    actual.fold(listing(), actual.mark());
    expect(actual.listed()).toBe(true);
    actual.unlisted();
    expect(actual.listed()).toBe(false);
  });
  test("leaves out the workers of another fleet", () => {
    const actual = listed(running, workerOf({ clientId: B, fleet: "fleet-2" }));
    expect([...actual.clientIds()]).toEqual([A]);
    expect(actual.workersOf(B)).toEqual([]);
  });
  test("counts those of a former name of the fleet as ours, and says which they are", () => {
    const actual = createActual(FLEET, ["fleet-0", "fleet-2"]);
    const workers = [running, workerOf({ clientId: B, fleet: "fleet-2" })];
    actual.fold(listing(...workers, workerOf({ clientId: idOf("c"), fleet: "x" })), actual.mark());
    expect([...actual.clientIds()]).toEqual([A, B]);
    expect(actual.underAlias()).toBe(1);
    expect([actual.isUnderAlias(A), actual.isUnderAlias(B)]).toEqual([false, true]);
    expect(actual.foreignOf(idOf("c"))?.detail).toContain("set FLEET_ALIASES=x");
  });

  const changes: readonly [string, readonly Worker[], readonly Worker[], boolean, number][] = [
    ["the same again", [running], [running], false, 0],
    ["one that came", [], [running], true, 0],
    ["one that went", [running], [], true, 0],
    ["one that exited", [running], [exited], true, 1],
    ["one that stays exited", [exited], [exited], false, 0],
    [
      "another instance, exited",
      [exited],
      [workerOf({ state: "exited", instance: "i2" })],
      true,
      0,
    ],
    ["another instance, running", [running], [workerOf({ instance: "i2" })], true, 0],
  ];
  test.each(changes)("tells %s", (_name, before, after, changed, exits) => {
    const actual = listed(...before);
    const got = actual.fold(listing(...after), actual.mark());
    expect(got.changed.has(A)).toBe(changed);
    expect(got.exits.length).toBe(exits);
    expect(actual.workersOf(A)).toEqual([...after]);
  });

  test("a listing that began before an act ended does not speak about that cluster", () => {
    const actual = listed(running);
    const mark = actual.mark();
    actual.gone(running);
    const other = workerOf({ clientId: B });
    const got = actual.fold(listing(running, other), mark);
    expect(actual.workersOf(A)).toEqual([]);
    expect(actual.workersOf(B)).toEqual([other]);
    expect([...got.changed]).toEqual([B]);
  });
  test("the listing after it does", () => {
    const actual = listed();
    const mark = actual.mark();
    actual.started(running);
    actual.fold(listing(), mark);
    expect(actual.workersOf(A)).toEqual([running]);
    actual.fold(listing(), actual.mark());
    expect(actual.workersOf(A)).toEqual([]);
  });
  test("an act on one instance leaves the other of that name", () => {
    const other = workerOf({ instance: "i2" });
    const actual = listed(running, other);
    actual.gone(running);
    expect(actual.workersOf(A)).toEqual([other]);
    actual.started({ ...other, state: "exited" });
    expect(actual.workersOf(A)).toEqual([{ ...other, state: "exited" }]);
  });
  test("what was taken over is gone, also for a listing that began before", () => {
    const actual = createActual(FLEET);
    const takeOver = workerOf({ fleet: "", instance: "theirs" });
    const foreign = [{ name: takeOver.name, detail: "", takeOver }];
    const fold = (mark = actual.mark()) => actual.fold({ workers: [], foreign }, mark);
    fold();
    expect(actual.foreignOf(A)?.takeOver).toEqual(takeOver);
    const mark = actual.mark();
    actual.gone(takeOver);
    expect(actual.foreignOf(A)).toBeUndefined();
    fold(mark);
    expect(actual.foreignOf(A)).toBeUndefined();
    fold();
    expect(actual.foreignOf(A)?.takeOver).toEqual(takeOver);
  });
  test("tells which foreign names came and went", () => {
    const actual = createActual(FLEET);
    const fold = (...names: readonly string[]) => {
      const foreign = names.map((name) => ({ name, detail: "" }));
      return [...actual.fold({ workers: [], foreign }, actual.mark()).foreign];
    };
    expect([fold("x", "y"), fold("y", "z"), fold("y", "z")]).toEqual([["x", "y"], ["x", "z"], []]);
    expect([...actual.clientIds()]).toEqual([]);
  });
  test("finds what holds a worker's name, be it shortened or not as the original's", () => {
    const actual = createActual(FLEET);
    const long = idOf("a".repeat(47));
    const fold = (...names: readonly string[]) => {
      const foreign = names.map((name) => ({ name, detail: "" }));
      actual.fold({ workers: [], foreign }, actual.mark());
      return actual.foreignOf(long)?.name;
    };
    const ours = workerNameOf(long);
    const theirs = `kg-graph-builder-${long}`;
    expect(fold("kg-graph-builder-another")).toBeUndefined();
    expect([ours === theirs, fold(theirs), fold(theirs, ours)]).toEqual([false, theirs, ours]);
  });
  test("one that was told to have ended is no news to a later listing", () => {
    const actual = listed(workerOf({ state: "starting" }));
    actual.ended(A, running.instance);
    expect(actual.workersOf(A)).toEqual([exited]);
    expect(actual.fold(listing(exited), actual.mark()).exits).toEqual([]);
    expect(actual.fold(listing(running), actual.mark()).exits).toEqual([]);
    expect(actual.fold(listing(exited), actual.mark()).exits).toEqual([exited]);
  });
});
