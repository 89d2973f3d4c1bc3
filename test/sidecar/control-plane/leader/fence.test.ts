/** Between a plan and its acts: how long a fence is good for, and when a new leader may act at all. */

import { describe, expect, test } from "bun:test";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import { err, ok } from "../../../../shared/result.ts";
import { createFleet } from "../../../../sidecar/control-plane/fleet/fleet.ts";
import { type FenceDeps, openFence } from "../../../../sidecar/control-plane/leader/fence.ts";
import { clockOf } from "../../../clock.ts";
import { openBench } from "../leader.ts";

const ACT_WINDOW_MS = 5_000;
const refusedBy = (code: KafkaError["code"]) =>
  err({ code, retry: "transient", detail: code } as const);

function gateAt(hadPredecessor: boolean) {
  const clock = { ms: 1_000 };
  const answers: Awaited<ReturnType<FenceDeps["fence"]>>[] = [];
  const ended = new AbortController();
  const reasons: string[] = [];
  const fence = openFence({
    promoted: {
      epoch: 1,
      fleet: createFleet(),
      fencedAtMs: 1_000,
      hadPredecessor,
      topicId: "t",
      registry: [],
      heartbeatPartitions: 1,
      heartbeatEnds: new Map(),
    },
    settings: { actWindowMs: ACT_WINDOW_MS },
    fence: () => Promise.resolve(answers.shift() ?? ok(null)),
    runtime: openBench().runtime,
    groups: {
      delete: () => Promise.resolve(ok(null)),
      members: () => Promise.resolve(ok([])),
      readOffsets: () => Promise.resolve(new Map()),
      putBackOffsets: () => Promise.resolve(),
    },
    clock: clockOf({ monotonicMs: () => clock.ms }),
    recorder: {
      event: () => undefined,
      beat: () => undefined,
      refused: () => undefined,
      judged: () => undefined,
      round: () => undefined,
      tickFailed: () => undefined,
      fenced: () => undefined,
    },
    log: { warn: () => undefined },
    ended: ended.signal,
    end: (reason) => {
      reasons.push(reason);
      ended.abort(reason);
    },
  });
  return { fence, clock, answers, ended, reasons };
}

describe("openGate()", () => {
  test("lets the first leader ever act at once", async () => {
    const { fence } = gateAt(false);
    expect(fence.openMs()).toBeUndefined();
    expect((await fence.fence())?.mayAct()).toBe(true);
  });
  test("keeps a successor waiting for one ACT_WINDOW after its own first fence", async () => {
    const { fence, clock } = gateAt(true);
    clock.ms = 1_000 + ACT_WINDOW_MS - 1;
    expect(await fence.fence()).toBeUndefined();
    expect(fence.openMs()).toBe(1_000 + ACT_WINDOW_MS);
    clock.ms += 1;
    expect((await fence.fence())?.mayAct()).toBe(true);
  });
  test("a fence is good for one ACT_WINDOW from before it was sent, and not after the term", async () => {
    const { fence, clock, ended } = gateAt(false);
    const executor = await fence.fence();
    clock.ms += ACT_WINDOW_MS - 1;
    expect(executor?.mayAct()).toBe(true);
    clock.ms += 1;
    expect(executor?.mayAct()).toBe(false);
    const next = await fence.fence();
    ended.abort();
    expect(next?.mayAct()).toBe(false);
  });
  test("a refused fence ends the term; one that was not answered is tried again", async () => {
    const { fence, clock, answers, reasons } = gateAt(false);
    answers.push(refusedBy("rebalancing"), refusedBy("fenced"));
    expect(await fence.fence()).toBeUndefined();
    expect(reasons).toEqual([]);
    expect(await fence.fence()).toBeUndefined();
    expect(fence.openMs()).toBe(clock.ms + 250);
    clock.ms += 250;
    expect(await fence.fence()).toBeUndefined();
    expect(reasons).toEqual(["fenced: fenced"]);
  });
});
