/** An empty metadata beside full directories is a missing permission. */
import { describe, expect, test } from "bun:test";
import { openHiddenReplicas, unlessHidden } from "../../../../sidecar/broker/read/hidden-topics.ts";
import { cluster, dir, failed, partition, readIn } from "../snapshot-sample.ts";

const EMPTY = readIn(cluster({}));
const FULL = readIn(cluster({ orders: [partition(0, [0], [0])] }));
const REPLICAS = readIn([
  dir("/data/0", { contents: { replicas: 0 } }),
  dir("/data/1", { contents: { replicas: 1 } }),
]);
const NONE = readIn([dir("/data/0", { contents: { replicas: 0 } })]);

describe("unlessHidden()", () => {
  test("says which permission is missing when no topic is shown and there are replicas", () => {
    const reading = unlessHidden(EMPTY, REPLICAS);
    expect(reading).toMatchObject({ kind: "failed", error: { code: "authorization" } });
    const detail = reading.kind === "failed" ? reading.error.detail : "";
    expect(detail).toContain("missing permission: DESCRIBE on all topics");
  });
  test.each([
    ["a topic is shown", FULL, REPLICAS],
    ["there are no replicas", EMPTY, NONE],
    ["the directories were not read", EMPTY, failed("late")],
    ["the metadata was not read", failed("late"), REPLICAS],
  ])("leaves the reading as it is when %s", (_what, metadata, dirs) => {
    expect(unlessHidden(metadata, dirs)).toBe(metadata);
  });
});

describe("openHiddenReplicas()", () => {
  const here = (replicas: number, future = 0) =>
    readIn([dir("/data/0", { contents: { replicas, future: Array(future).fill(MOVING) } })]);
  const MOVING = { topic: "a", partition: 0, sizeBytes: 1, offsetLag: 1 };

  test("counts what the metadata does not show, without replicas on their way", () => {
    expect(openHiddenReplicas(0)(FULL, here(4, 1))).toBe(2);
    expect(openHiddenReplicas(0)(FULL, here(1))).toBe(0);
    expect(openHiddenReplicas(7)(FULL, here(1))).toBe(1);
  });
  test("takes the smaller of the last two readings, however often one of them is seen", () => {
    const count = openHiddenReplicas(0);
    const [whole, more] = [here(1), here(3)];
    expect(count(FULL, whole)).toBe(0);
    expect([count(FULL, more), count(FULL, more)]).toEqual([0, 0]);
    expect(count(FULL, here(4))).toBe(2);
    expect(count(FULL, here(1))).toBe(0);
  });
  test("stays as it was while there is nothing to count", () => {
    const count = openHiddenReplicas(0);
    expect(count(FULL, failed("late"))).toBe(0);
    expect(count(FULL, here(3))).toBe(2);
    expect(count(FULL, readIn([dir("/data/0", { contents: "unread" })]))).toBe(2);
    expect(count(failed("late"), here(1))).toBe(2);
  });
});
