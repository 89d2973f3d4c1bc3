/** The one-shot commands against a played Kafka: what is written, and with which code they end. */

import { expect, test } from "bun:test";
import {
  type HookOptions,
  lateOutcome,
  runHook,
  type Stage,
} from "../../../agent/register/command.ts";
import { HEARTBEAT, REGISTRY, STATUS } from "../../../shared/protocol/topic.ts";
import { clockOf } from "../../clock.ts";
import { anIdentity } from "../given.ts";
import { aTopic, type Played, playKafka } from "../played-kafka.ts";

const topics = [aTopic(REGISTRY, [1]), aTopic(HEARTBEAT, [1])];

function hook(played: Played, more: Partial<HookOptions> = {}) {
  const { kafka, sent } = playKafka(played);
  let stage: Stage = "reach";
  const stages: Stage[] = [];
  const outcome = runHook({
    action: "register",
    identity: anIdentity(),
    kafka,
    log: () => undefined,
    brokers: ["played:9092"],
    timeoutMs: 1000,
    budgetMs: 900,
    waitMs: undefined,
    failurePolicy: "nothing",
    force: false,
    clock: clockOf({ nowMs: () => 0 }),
    signal: new AbortController().signal,
    came: (next) => {
      stage = next;
      stages.push(next);
    },
    ...more,
  });
  return { outcome, sent, stages, stage: () => stage };
}

test.each(["register", "deregister"] as const)(
  "runHook() of %s --wait writes though the ledger cannot be read, and ends with 75",
  async (action) => {
    const { outcome, sent } = hook({ topics, silent: [STATUS] }, { action, waitMs: 1000 });
    const { exit, line } = await outcome;
    expect(sent.map(({ key }) => key)).toEqual(["af-10"]);
    expect(exit).toBe(75);
    expect(line).toMatch(
      /^(registered|withdrew) af-10 \(cluster.registry-0 @ 0\); not confirmed: the ledger could not be read: /u,
    );
  },
);

test("runHook() that tolerates no answer ends with 0 and a warning once Kafka has the record", async () => {
  const failurePolicy = "unconfirmed";
  const { outcome, sent } = hook({ topics, silent: [STATUS] }, { waitMs: 1000, failurePolicy });
  const { exit, line } = await outcome;
  expect(sent).toHaveLength(1);
  expect(exit).toBe(0);
  expect(line).toMatch(/^WARNING: registered af-10 .*; not confirmed: /u);
  const unreached = hook({ topics, silent: [REGISTRY] }, { waitMs: 1000, failurePolicy });
  expect((await unreached.outcome).exit).toBe(69);
});

test("runHook() looks for the ledger 5 s at most", async () => {
  const startedMs = performance.now();
  const long = { waitMs: 60_000, timeoutMs: 60_000, budgetMs: 59_000 };
  const { exit } = await hook({ topics, silent: [STATUS] }, long).outcome;
  expect(exit).toBe(75);
  expect(performance.now() - startedMs).toBeLessThan(7000);
}, 15_000);

test("runHook() without --wait asks for no ledger", async () => {
  const { exit } = await hook({ topics, silent: [STATUS] }).outcome;
  expect(exit).toBe(0);
});

test("runHook() tells its stage before and after it writes, and not where it does not come to write", async () => {
  const written = hook({ topics });
  await written.outcome;
  expect(written.stages).toEqual(["write", "written"]);
  const unreached = hook({ topics, silent: [REGISTRY] });
  expect((await unreached.outcome).exit).toBe(69);
  expect(unreached.stage()).toBe("reach");
});

test("lateOutcome() is 69 before the write, 75 from it on", () => {
  const command = { action: "register", identity: anIdentity(), failurePolicy: "nothing" } as const;
  expect(lateOutcome(command, "reach").exit).toBe(69);
  const { exit, line } = lateOutcome(command, "write");
  expect(exit).toBe(75);
  expect(line).toContain("may be written");
  expect(lateOutcome(command, "written").exit).toBe(75);
});

test("lateOutcome() forgives a missing answer only once Kafka has the record", () => {
  const command = {
    action: "register",
    identity: anIdentity(),
    failurePolicy: "unconfirmed",
  } as const;
  const exits = (["reach", "write", "written"] as const).map((each) => lateOutcome(command, each));
  expect(exits.map(({ exit }) => exit)).toEqual([69, 75, 0]);
  expect(exits[2]?.line).toMatch(/^WARNING: .*the record is written, and not confirmed/u);
});
