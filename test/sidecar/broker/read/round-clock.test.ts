/** A round's time: what counts, and what was our own standing still. */

import { afterEach, expect, test } from "bun:test";
import { systemClock } from "../../../../shared/clock.ts";
import { openRoundClock, type RoundClock } from "../../../../sidecar/broker/read/round-clock.ts";

const DEADLINE_MS = 300;

let clock: RoundClock | undefined;
afterEach(() => clock?.stop());

function open(signal = new AbortController().signal): RoundClock {
  clock = openRoundClock({
    deadlineMs: DEADLINE_MS,
    clock: systemClock,
    signal,
  });
  return clock;
}

/** What SIGSTOP and a throttled cgroup do to us. */
function standStill(ms: number): void {
  const endsMs = performance.now() + ms;
  while (performance.now() < endsMs);
}

const never = () => new Promise<string>(() => {});

test("within() gives the value, or undefined at the deadline", async () => {
  const own = open();
  expect(await own.within(Promise.resolve("now"))).toBe("now");
  const sinceMs = performance.now();
  expect(await own.within(never())).toBeUndefined();
  expect(performance.now() - sinceMs).toBeGreaterThan(DEADLINE_MS - 100);
  expect(own.observedMs()).toBeGreaterThanOrEqual(DEADLINE_MS);
  expect(own.leftMs()).toBe(0);
});

test("within() does not count the time in which we stood still", async () => {
  const own = open();
  const answer = own.within(never());
  await Bun.sleep(20);
  standStill(3 * DEADLINE_MS);
  expect(own.observedMs()).toBeLessThan(DEADLINE_MS);
  expect(own.lagMs()).toBeGreaterThan(DEADLINE_MS);
  // The deadline has long passed by the clock on the wall, and what comes now still counts.
  const late = own.within(Bun.sleep(20).then(() => "late"));
  expect(await late).toBe("late");
  expect(await answer).toBeUndefined();
});

test("within() takes in what arrived while we stood still", async () => {
  const own = open();
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.write("answer") },
  });
  const heard = Promise.withResolvers<string>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data: (_socket, bytes) => heard.resolve(bytes.toString()) },
  });
  socket.write("question");
  standStill(2 * DEADLINE_MS);
  expect(await own.within(heard.promise)).toBe("answer");
  socket.end();
  server.stop(true);
});

test("within() ends with the signal, and after() with the round", async () => {
  const ending = new AbortController();
  const own = open(ending.signal);
  const waits = own.within(never());
  const after = own.after(60_000);
  ending.abort();
  expect(await waits).toBeUndefined();
  await after;
  expect(own.signal.aborted).toBe(true);
});

test("after() waits for so much of the round", async () => {
  const own = open();
  await own.after(100);
  expect(own.observedMs()).toBeGreaterThanOrEqual(100);
  expect(own.signal.aborted).toBe(false);
});
