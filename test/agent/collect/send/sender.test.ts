/** What goes to Kafka, in which order, and what becomes of what Kafka does not take. */
import { describe, expect, test } from "bun:test";
import {
  IN_FLIGHT_BYTES_MAX,
  type Job,
  openSender,
  type Sender,
  type SenderOptions,
} from "../../../../agent/collect/send/sender.ts";
import { systemClock } from "../../../../shared/clock.ts";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import { err, ok } from "../../../../shared/result.ts";
import { until } from "../../../bed/condition.ts";

const AWAY: KafkaError = { code: "unreachable", retry: "transient", detail: "away" };
const LARGE: KafkaError = { code: "too-large", retry: "terminal", detail: "too large" };
const PATIENCE = { deadlineMs: 10_000, intervalMs: 2 } as const;

type Play = {
  readonly sender: Sender;
  /** Each batch that Kafka took: the keys. */
  readonly taken: readonly string[][];
  readonly failures: readonly (string | undefined)[];
  /** What Kafka answers from now on, by the keys of a batch. */
  answer: (keys: readonly string[]) => KafkaError | undefined;
  readonly end: () => Promise<void>;
};

function play(more: Partial<SenderOptions> = {}): Play {
  const ended = new AbortController();
  const taken: string[][] = [];
  const failures: (string | undefined)[] = [];
  const sender = openSender({
    send: async (_topic, records) => {
      await Promise.resolve();
      const keys = records.map(({ key }) => key);
      const error = played.answer(keys);
      if (error !== undefined) return err(error);
      taken.push(keys);
      return ok(null);
    },
    clock: { ...systemClock, random: () => 0 },
    produced: () => undefined,
    failing: (error) => failures.push(error?.detail),
    signal: ended.signal,
    ...more,
  });
  const played: Play = {
    ...{ sender, taken, failures },
    answer: () => undefined,
    end: async () => {
      ended.abort();
      await sender.ended;
    },
  };
  return played;
}

const record = (key: string, bytes = 1) => ({ key, value: "x".repeat(bytes), headers: {} });
const job = (key: string, more: Partial<Job> = {}): Job => ({
  topic: "objects",
  record: record(key),
  ...more,
});
const flat = ({ taken }: Play) => taken.flat();

describe("openSender()", () => {
  test("keeps the order through failures, and says when it works again", async () => {
    const played = play();
    let failures = 3;
    played.answer = () => {
      failures -= 1;
      return failures >= 0 ? AWAY : undefined;
    };
    for (const key of ["a", "b", "c"]) played.sender.add(job(key));
    await played.sender.flushed(new AbortController().signal);
    expect(flat(played)).toEqual(["a", "b", "c"]);
    expect(played.failures).toEqual(["away", "away", "away", undefined]);
    await played.end();
  });

  test("makes a mark when all before it is confirmed, and sends it alone", async () => {
    const played = play();
    let confirmed = 0;
    const count = () => (confirmed += 1);
    const made: number[] = [];
    played.sender.add(job("a", { confirmed: count }));
    played.sender.add(job("b", { confirmed: count }));
    played.sender.add(
      job("", {
        record: () => {
          made.push(confirmed);
          return record("mark");
        },
      }),
    );
    played.sender.add(job("c", { confirmed: count }));
    await played.sender.flushed(new AbortController().signal);
    expect(made).toEqual([2]);
    expect(played.taken.find((batch) => batch.includes("mark"))).toEqual(["mark"]);
    expect(flat(played)).toEqual(["a", "b", "mark", "c"]);
    await played.end();
  });

  test("does not mix topics in a batch", async () => {
    const played = play();
    for (const topic of ["objects", "events", "events", "objects"] as const) {
      played.sender.add(job(topic, { topic }));
    }
    await played.sender.flushed(new AbortController().signal);
    for (const batch of played.taken) expect(new Set(batch).size).toBe(1);
    expect(flat(played)).toEqual(["objects", "events", "events", "objects"]);
    await played.end();
  });

  test("sends a smaller one in the place of what is too large, and goes on without what stays so", async () => {
    const played = play();
    played.answer = (keys) => (keys.some((key) => key.startsWith("large")) ? LARGE : undefined);
    const confirmed: string[] = [];
    const refused: string[] = [];
    for (const key of ["a", "large-1", "b", "large-2", "c"]) {
      played.sender.add(
        job(key, {
          confirmed: () => confirmed.push(key),
          tooLarge: () => {
            if (key === "large-2") {
              refused.push(key);
              return undefined;
            }
            return { record: record("small"), confirmed: () => confirmed.push("small") };
          },
        }),
      );
    }
    await played.sender.flushed(new AbortController().signal);
    expect(flat(played)).toEqual(["a", "small", "b", "c"]);
    expect(confirmed).toEqual(["a", "small", "b", "c"]);
    expect(refused).toEqual(["large-2"]);
    await played.end();
  });

  test("has an end of its room, waits there, gives up, and is ready again when Kafka is back", async () => {
    const played = play({ stallMs: 30 });
    played.answer = () => AWAY;
    const large = 512 * 1024;
    let puts = 0;
    while (played.sender.hasRoom()) {
      played.sender.add({ topic: "objects", record: record(`k-${puts}`, large) });
      puts += 1;
    }
    expect(played.sender.waitingBytes()).toBeLessThan(IN_FLIGHT_BYTES_MAX + large + 1024);
    expect(await played.sender.put(job("late"))).toBe(false);
    let isReady = false;
    const ready = played.sender.ready(new AbortController().signal).then(() => {
      isReady = true;
    });
    await until("a failure to be said", () => played.failures.length > 0, PATIENCE);
    expect(isReady).toBe(false);
    played.answer = () => undefined;
    await ready;
    await played.sender.flushed(new AbortController().signal);
    expect(flat(played)).toHaveLength(puts);
    expect(played.sender.waitingBytes()).toBe(0);
    expect(played.sender.put(job("again"))).toBe(true);
    await played.end();
  });

  test("takes what finds room in time, behind what waited before", async () => {
    const played = play();
    let isAway = true;
    played.answer = () => (isAway ? AWAY : undefined);
    while (played.sender.hasRoom()) {
      played.sender.add({ topic: "objects", record: record("first", 1024 * 1024) });
    }
    const first = played.sender.put(job("a"));
    const second = played.sender.put(job("b"));
    isAway = false;
    expect([await first, await second]).toEqual([true, true]);
    await played.sender.flushed(new AbortController().signal);
    expect(flat(played).slice(-2)).toEqual(["a", "b"]);
    await played.end();
  });
});
