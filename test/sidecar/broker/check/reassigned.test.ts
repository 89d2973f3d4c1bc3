/** Replicas that a reassignment adds are progress: Kafka's own count of under-replicated partitions leaves them out. */
import { expect, test } from "bun:test";
import { evaluate } from "../../../../sidecar/broker/check/evaluate.ts";
import { checkReplicasInSync } from "../../../../sidecar/broker/check/replicas-in-sync.ts";
import { metadataOf, partition, SETTINGS, said, snapshot } from "../snapshot-sample.ts";

const adding = new Set(["a-0"]);

test("a replica that is being added is a warning, and not counted", () => {
  const topics = metadataOf({ a: [partition(0, [1, 0], [1], 1), partition(1, [0, 1], [0])] });
  const seen = snapshot({ ...topics, adding });
  expect(said(checkReplicasInSync(seen, SETTINGS))).toEqual([
    "warn",
    "1 of 2 replicas being added by a reassignment: a-0; all others in sync",
  ]);
  expect(evaluate(seen, SETTINGS).figures.underReplicated).toBe(0);
});

test("one that is out of sync fails beside it", () => {
  const topics = metadataOf({ a: [partition(0, [1, 0], [1], 1), partition(1, [1, 0], [1])] });
  const seen = snapshot({ ...topics, adding });
  expect(said(checkReplicasInSync(seen, SETTINGS))).toEqual([
    "fail",
    "1 of 2 replicas out of sync: a-1",
  ]);
  expect(evaluate(seen, SETTINGS).figures.underReplicated).toBe(1);
});
