/** An empty metadata beside full directories is a missing permission. */
import { describe, expect, test } from "bun:test";
import { unlessHidden } from "../../../sidecar/broker/hidden-topics.ts";
import { cluster, dir, failed, partition, readIn } from "./snapshot-sample.ts";

const EMPTY = readIn(cluster({}));
const FULL = readIn(cluster({ orders: [partition(0, [0], [0])] }));
const REPLICAS = readIn([dir("/data/0", { replicas: 0 }), dir("/data/1", { replicas: 1 })]);
const NONE = readIn([dir("/data/0", { replicas: 0 })]);

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
