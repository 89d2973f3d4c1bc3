import { expect, test } from "bun:test";
import { sleep } from "../../../shared/deadline.ts";
import { bounded, pause } from "../../../shared/kafka/deadline.ts";

const MONTHS_MS = 2 ** 31 + 5;

test.each([MONTHS_MS, Number.POSITIVE_INFINITY])(
  "a deadline of %d ms is not over at once",
  async (deadlineMs) => {
    const outcome = bounded(sleep(50), { deadlineMs }, "wait", () => {});
    expect((await outcome).ok).toBe(true);
    const stop = new AbortController();
    const paused = pause(deadlineMs, { deadlineMs, signal: stop.signal }).then(() => "paused");
    expect(await Promise.race([paused, sleep(50).then(() => "slept")])).toBe("slept");
    stop.abort();
    await paused;
  },
);
