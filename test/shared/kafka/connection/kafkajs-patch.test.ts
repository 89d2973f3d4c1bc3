/** When a session with Kafka is renewed: after a part of its length, whatever that is. */
import { describe, expect, test } from "bun:test";
import { thresholdMs } from "../../../../shared/kafka/connection/kafkajs-patch.ts";

const MINUTE_MS = 60_000;

describe("thresholdMs()", () => {
  test.each([
    ["none that ends", 0, 0, 0],
    ["4 s", 4_000, 200, 600],
    ["a minute", MINUTE_MS, 3_000, 9_000],
    ["12 h", 720 * MINUTE_MS, 36 * MINUTE_MS, 108 * MINUTE_MS],
  ])("of %s is 5 to 15 per cent", (_name, sessionMs, least, most) => {
    expect(thresholdMs(sessionMs, 0)).toBe(least);
    expect(thresholdMs(sessionMs, 1)).toBe(most);
  });
});
