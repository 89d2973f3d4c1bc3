/** The one-shot commands against a played Kafka: what is written, and with which code they end. */
import { expect, test } from "bun:test";
import { type HookOptions, lateOutcome, runHook, type Stage } from "../../agent/hook.ts";
import { HEARTBEAT, REGISTRY, STATUS } from "../../shared/protocol/topic.ts";
import { anIdentity } from "./given.ts";
import { aTopic, type Played, playKafka } from "./played-kafka.ts";

const topics = [aTopic(REGISTRY, [1]), aTopic(HEARTBEAT, [1])];

function hook(played: Played, more: Partial<HookOptions> = {}) {
  const { kafka, sent } = playKafka(played);
  let stage: Stage = "reach";
  const outcome = runHook({
    wish: "register",
    identity: anIdentity(),
    kafka,
    log: () => undefined,
    brokers: ["played:9092"],
    timeoutMs: 1000,
    budgetMs: 900,
    waitMs: undefined,
    nowMs: () => 0,
    signal: new AbortController().signal,
    writing: () => {
      stage = "write";
    },
    ...more,
  });
  return { outcome, sent, stage: () => stage };
}

test("runHook() without --wait asks for no ledger", async () => {
  const { exit } = await hook({ topics, silent: [STATUS] }).outcome;
  expect(exit).toBe(0);
});

test("runHook() tells its stage before it writes, and not where it does not come to write", async () => {
  const written = hook({ topics });
  await written.outcome;
  expect(written.stage()).toBe("write");
  const unreached = hook({ topics, silent: [REGISTRY] });
  expect((await unreached.outcome).exit).toBe(69);
  expect(unreached.stage()).toBe("reach");
});

test("lateOutcome() is 69 before the write, 75 after it", () => {
  const command = { wish: "register", identity: anIdentity() } as const;
  expect(lateOutcome(command, "reach").exit).toBe(69);
  const { exit, line } = lateOutcome(command, "write");
  expect(exit).toBe(75);
  expect(line).toContain("may be written");
});
