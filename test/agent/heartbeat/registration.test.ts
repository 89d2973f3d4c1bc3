/** When `agent run` registers again, on a Kafka that is played. */

import { expect, test } from "bun:test";
import { startRegistration, untilNextLookMs } from "../../../agent/heartbeat/registration.ts";
import type { AgentStanding } from "../../../agent/heartbeat/standing.ts";
import { openLog } from "../../../shared/log.ts";
import { HEARTBEAT, REGISTRY } from "../../../shared/protocol/topic.ts";
import { until } from "../../bed/condition.ts";
import { clockOf } from "../../clock.ts";
import { anIdentity } from "../given.ts";
import { aTopic, playKafka } from "../played-kafka.ts";

const SOON = { deadlineMs: 5_000, intervalMs: 2 };
const MINUTE_MS = 60_000;

test.each([
  [1_000, 4_000, 6_000],
  [30_000, 2 * MINUTE_MS, 3 * MINUTE_MS],
  [10 * MINUTE_MS, 2 * MINUTE_MS, 3 * MINUTE_MS],
  [60 * MINUTE_MS, 2 * MINUTE_MS, 3 * MINUTE_MS],
])("with an interval of %d ms it looks every %d to %d ms", (intervalMs, leastMs, mostMs) => {
  expect([untilNextLookMs(intervalMs, 0), untilNextLookMs(intervalMs, 1)]).toEqual([
    leastMs,
    mostMs,
  ]);
});

/** Registers every 4 ms where it registers again. */
function startPlayed(kind: AgentStanding["kind"]) {
  const played = playKafka({ topics: [aTopic(REGISTRY, [1]), aTopic(HEARTBEAT, [1])] });
  const stop = new AbortController();
  const state = { isInConflict: true, asked: 0 };
  const task = startRegistration({
    kafka: played.kafka,
    identity: anIdentity({ heartbeatIntervalMs: 1 }),
    automatic: true,
    standing: {
      standing: () => ({ kind, detail: "" }),
      refusedInConflict: () => {
        state.asked += 1;
        return state.isInConflict;
      },
      start: () => Promise.resolve(undefined),
      registered: () => undefined,
      run: () => Promise.resolve(),
    },
    log: openLog({
      level: "error",
      format: "text",
      write: () => undefined,
      clock: clockOf({ nowMs: () => 0 }),
    }),
    clock: clockOf({ nowMs: () => 0, random: () => 0 }),
    signal: stop.signal,
  });
  const end = () => {
    stop.abort();
    return task.ended;
  };
  return { sent: played.sent, state, end };
}

test.each(["refused", "conflict"] as const)(
  "a registration refused in a conflict is tried until the conflict is over, while it stands as %s",
  async (kind) => {
    const { sent, state, end } = startPlayed(kind);
    await until("three registrations", () => sent.length >= 3, SOON);
    state.isInConflict = false;
    const [count, asked] = [sent.length, state.asked];
    await until("three looks", () => state.asked >= asked + 3, SOON);
    expect(sent.length - count).toBeLessThanOrEqual(1);
    await end();
  },
);
