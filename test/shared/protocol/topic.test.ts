/** The topics that we make, and what is harmful in those that somebody else made. */
import { describe, expect, test } from "bun:test";
import {
  agentTopicPlans,
  CLUSTER_EVENTS,
  clusterEventsPlan,
  clusterInfoPlan,
  topicPlans,
} from "../../../shared/protocol/topic.ts";

const PLANS = topicPlans(6);

describe("topicPlans()", () => {
  const shapes: readonly [string, number, string][] = [
    ["cluster.registry", 1, "compact"],
    ["cluster.heartbeat", 6, "delete"],
    ["cluster.status", 1, "compact"],
    ["cluster.audit", 1, "delete"],
    ["cluster.quarantine", 1, "delete"],
    ["cluster.control", 1, "delete"],
    ["cluster-info", 3, "compact"],
  ];
  test("has these topics", () => {
    expect(
      PLANS.map(({ name, partitions, config }) => [name, partitions, config["cleanup.policy"]]),
    ).toEqual(shapes.map((shape) => [...shape]));
  });
  test.each([...PLANS])("$name is not harmful as we make it", ({ config, harmful }) => {
    expect(harmful(config)).toBeUndefined();
    expect(config).toMatchObject({
      "compression.type": "uncompressed",
      "message.timestamp.type": "LogAppendTime",
    });
  });

  const policies: readonly [string, string, boolean][] = [
    ["cluster.registry", "delete", true],
    ["cluster.registry", "compact,delete", true],
    ["cluster.registry", " compact ", false],
    ["cluster.status", "delete", true],
    ["cluster.heartbeat", "compact", true],
    ["cluster.heartbeat", "delete, compact", true],
    ["cluster.heartbeat", "delete", false],
    ["cluster.control", "compact", true],
    ["cluster.audit", "compact", false],
  ];
  test.each(policies)("%s with cleanup.policy %p is harmful: %p", (topic, policy, want) => {
    const plan = PLANS.find(({ name }) => name === topic);
    expect(plan?.harmful({ "cleanup.policy": policy }) !== undefined).toBe(want);
  });
  test("objects are compacted after a day only, so that a mark still finds what it speaks of", () => {
    const { name, config, harmful } = clusterInfoPlan("info-of-tenant-a");
    expect(name).toBe("info-of-tenant-a");
    expect(config).toMatchObject({
      "cleanup.policy": "compact",
      "min.compaction.lag.ms": "86400000",
      "delete.retention.ms": "604800000",
    });
    expect(harmful({ "cleanup.policy": "delete" })).toBeDefined();
  });
  test("events are deleted by age, never compacted", () => {
    const { config, harmful } = clusterEventsPlan(CLUSTER_EVENTS);
    expect(config).toMatchObject({ "cleanup.policy": "delete", "retention.ms": "604800000" });
    expect(harmful(config)).toBeUndefined();
    expect(harmful({ "cleanup.policy": "compact,delete" })).toBeDefined();
  });
  test("an agent makes the two that it writes", () => {
    expect(agentTopicPlans(6).map(({ name }) => name)).toEqual([
      "cluster.registry",
      "cluster.heartbeat",
    ]);
  });
});
