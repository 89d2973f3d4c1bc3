/** A member that leaves before it could join: nothing stays in its way. */
import { expect, test } from "bun:test";
import { electionProtocol } from "../../../../shared/kafka/election/assignment.ts";
import { joinMembership } from "../../../../shared/kafka/election/membership.ts";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import { until } from "../../../bed/condition.ts";
import { playedClient } from "../played-wire.ts";

test("why joining failed is over when joining is wanted no more", async () => {
  const said: (KafkaError | undefined)[] = [];
  const joined = joinMembership({
    client: playedClient({ answer: () => Promise.resolve(undefined) }),
    log: () => undefined,
    ...{ groupId: "g", topic: "c", sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 3_000 },
    ...{ heartbeatIntervalMs: 600, protocol: electionProtocol("c", () => "") },
    onAssigned: () => undefined,
    onLost: () => undefined,
    onJoin: (error) => said.push(error),
  });
  await until("a join to fail", () => said.length > 0, { deadlineMs: 5_000, intervalMs: 1 });
  expect(said[0]?.code).toBe("timeout");
  if (joined.ok) await joined.value.close();
  expect(said.at(-1)).toBeUndefined();
});
