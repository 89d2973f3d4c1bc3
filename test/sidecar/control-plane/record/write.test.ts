/** The leader's writes: repeated until they are written, and never for ever because of one record. */

import { describe, expect, test } from "bun:test";
import { err, ok } from "../../../../shared/result.ts";
import {
  type SaveOptions,
  saveQuarantine,
  TermLost,
} from "../../../../sidecar/control-plane/record/write.ts";
import { until } from "../../../bed/condition.ts";
import { clockOf } from "../../../clock.ts";

/** Kafka's default message.max.bytes. */
const MESSAGE_BYTES_MAX = 1_048_588;
const refusedOf = (bytes: number) => ({
  ...{ topic: "cluster.registry", partition: 0, offset: 1, key: null, headers: {} },
  value: new Uint8Array(bytes),
  error: { code: "value-too-large", detail: "" } as const,
});

/** A broker that refuses big records; the first `failures` writes are not answered. */
function brokerWith(failures = 0) {
  const ended = new AbortController();
  let tries = 0;
  const options: SaveOptions = {
    producer: {
      send: (_topic, records) => {
        tries += 1;
        if (tries <= failures) {
          const error = { code: "timeout", retry: "transient", detail: "no answer" } as const;
          return Promise.resolve(err(error));
        }
        const tooLarge = records.some(({ value }) => (value?.length ?? 0) > MESSAGE_BYTES_MAX);
        const error = { code: "too-large", retry: "terminal", detail: "too large" } as const;
        return Promise.resolve(tooLarge ? err(error) : ok([]));
      },
    },
    signal: ended.signal,
    clock: clockOf({ random: () => 0 }),
    warn: () => undefined,
    trouble: () => undefined,
  };
  return { options, ended, tries: () => tries };
}

describe("saveQuarantine()", () => {
  test("tries again what was not answered", async () => {
    const { options, tries } = brokerWith(3);
    await saveQuarantine([refusedOf(1)], options);
    expect(tries()).toBe(4);
  });
  test("gives a copy up that nobody takes, for the fleet must go on", async () => {
    const { options, tries } = brokerWith(100);
    await saveQuarantine([refusedOf(1)], options);
    expect(tries()).toBe(5);
  });
  test("ends with the term", async () => {
    const { options, ended } = brokerWith(3);
    ended.abort();
    const failed = await saveQuarantine([refusedOf(1)], options).catch((cause: unknown) => cause);
    expect(failed).toBeInstanceOf(TermLost);
  });
  // A compressed record of some kilobytes is one of megabytes here: one of them must not stop a leader.
  test("goes on although no broker takes the copy of a refused record", async () => {
    const { options, ended } = brokerWith();
    let over = false;
    const saved = saveQuarantine([refusedOf(MESSAGE_BYTES_MAX + 1), refusedOf(1)], options)
      .catch(() => undefined)
      .then(() => {
        over = !ended.signal.aborted;
      });
    try {
      await until("the write to end", () => over, { deadlineMs: 500, intervalMs: 5 });
    } finally {
      ended.abort();
      await saved;
    }
  });
});
