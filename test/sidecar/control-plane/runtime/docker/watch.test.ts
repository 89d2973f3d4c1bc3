/** Following events of an engine that is played: streams that end at once, and a clock that is set back. */

import { describe, expect, test } from "bun:test";
import { ok } from "../../../../../shared/result.ts";
import type { EventOptions } from "../../../../../sidecar/control-plane/runtime/docker/engine.ts";
import {
  type Watched,
  watchEvents,
} from "../../../../../sidecar/control-plane/runtime/docker/watch.ts";
import { until } from "../../../../bed/condition.ts";
import { clockOf } from "../../../../clock.ts";
import { silentLog } from "../../../../contract/runtime-subject.ts";

const PATIENCE = { deadlineMs: 10_000, intervalMs: 5 } as const;
const OPENED = 1_000;

const line = (action: string, time: number, nano = 0): string => {
  const actor = { ID: "c1", Attributes: { name: "kg-graph-builder-af-1" } };
  const event = JSON.stringify({ time, Action: action, Actor: actor });
  return `${event.slice(0, -1)},"timeNano":${time}${String(nano).padStart(9, "0")}}`;
};

/** Streams one after another, each of which ends at once; the last one for ever, or never. */
async function onPlay(
  streams: readonly (readonly string[])[],
  last: "ends" | "stays",
  act: (seen: {
    readonly asked: readonly EventOptions[];
    readonly changes: () => number;
    readonly died: ReadonlySet<string>;
  }) => Promise<void>,
): Promise<void> {
  const asked: EventOptions[] = [];
  const died = new Set<string>();
  const ended = new AbortController();
  let changes = 0;
  const context: Watched = {
    ...{ died, log: silentLog, clock: clockOf({ random: () => 0.5 }) },
    engine: {
      openedAtSeconds: OPENED,
      events: async (options, signal) => {
        const lines = streams[Math.min(asked.length, streams.length - 1)] ?? [];
        asked.push(options);
        for (const each of lines) options.onLine(each);
        if (asked.length >= streams.length && last === "stays") {
          const { promise, resolve } = Promise.withResolvers<void>();
          signal.addEventListener("abort", () => resolve(), { once: true });
          await promise;
        }
        return ok(null);
      },
    },
  };
  const done = watchEvents(
    context,
    () => {
      changes += 1;
    },
    ended.signal,
  );
  try {
    await act({ asked, changes: () => changes, died });
  } finally {
    ended.abort();
    await done;
  }
}

describe("watchEvents()", () => {
  test.each([
    ["say nothing", []],
    ["say the same again", [line("start", OPENED + 1)]],
  ])("does not ask without a pause where streams end at once and %s", async (_name, lines) => {
    await onPlay([lines], "ends", async ({ asked }) => {
      const sinceMs = performance.now();
      await until("five streams", () => asked.length >= 5, PATIENCE);
      // Half of 200, 400, 800 ms at least.
      expect(performance.now() - sinceMs).toBeGreaterThan(650);
    });
  });
  test("asks from the last event's second on, and passes over what comes twice", async () => {
    const first = [line("create", OPENED + 5, 1), line("start", OPENED + 5, 2)];
    const second = [...first, line("die", OPENED + 5, 3)];
    await onPlay([first, second], "stays", async ({ asked, changes, died }) => {
      await until("the second stream", () => asked.length === 2, PATIENCE);
      expect(asked.map(({ since }) => since)).toEqual([OPENED, OPENED + 5]);
      expect([changes(), [...died]]).toEqual([3, ["c1"]]);
    });
  });
  test("hears what comes after the engine's clock was set back", async () => {
    const before = [line("start", OPENED + 500)];
    const after = [line("die", OPENED + 20)];
    await onPlay([before, after, []], "stays", async ({ asked, changes, died }) => {
      await until("the third stream", () => asked.length === 3, PATIENCE);
      expect(asked.map(({ since }) => since)).toEqual([OPENED, OPENED + 500, OPENED + 20]);
      expect([changes(), [...died]]).toEqual([2, ["c1"]]);
    });
  });
});
