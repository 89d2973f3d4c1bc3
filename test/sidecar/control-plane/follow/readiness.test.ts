/** What makes a control plane unready, and what only later does. */
import { describe, expect, test } from "bun:test";
import type { KafkaError } from "../../../../shared/kafka/error.ts";
import {
  createTroubleSpot,
  judgeTroubles,
  type LastingTrouble,
  troubleOf,
} from "../../../../sidecar/control-plane/follow/readiness.ts";

const MINUTE_MS = 60_000;
const silent: LastingTrouble = { detail: "no answer", answered: false, sinceMs: 1_000 };
const refused: LastingTrouble = { detail: "refused", answered: true, sinceMs: 1_000 };

describe("judgeTroubles()", () => {
  test.each<[string, readonly (LastingTrouble | undefined)[], number, boolean, string | undefined]>(
    [
      ["ready without any", [undefined, undefined], 9_000, true, undefined],
      ["ready while Kafka is silent for a minute", [silent], 1_000 + MINUTE_MS, true, "no answer"],
      ["unready a millisecond later", [silent], 1_001 + MINUTE_MS, false, "no answer"],
      ["unready at once when Kafka refuses", [refused], 1_000, false, "refused"],
      ["says first what makes it unready", [silent, refused], 1_000, false, "refused"],
    ],
  )("is %s", (_name, troubles, nowMs, ready, detail) => {
    expect(judgeTroubles(troubles, nowMs)).toEqual({ ready, detail });
  });
});

describe("troubleOf()", () => {
  test.each<[KafkaError["code"], boolean]>([
    ["unreachable", false],
    ["timeout", false],
    ["not-leader", false],
    ["not-coordinator", false],
    ["authentication", true],
    ["authorization", true],
    ["unknown-topic", true],
    ["invalid", true],
  ])("%s: Kafka answered is %p", (code, answered) => {
    expect(troubleOf({ code, detail: "it" })).toEqual({ detail: "it", answered });
  });
});

describe("createTroubleSpot()", () => {
  test("keeps when trouble began, also when it changes, and says what is new", () => {
    let nowMs = 5;
    const spot = createTroubleSpot(() => nowMs);
    expect(spot.note({ detail: "a", answered: false })).toBe(true);
    nowMs = 9;
    expect(spot.note({ detail: "a", answered: false })).toBe(false);
    expect(spot.note({ detail: "b", answered: true })).toBe(true);
    expect(spot.present()).toEqual({ detail: "b", answered: true, sinceMs: 5 });
    expect(spot.note(undefined)).toBe(false);
    expect(spot.present()).toBeUndefined();
    spot.note({ detail: "a", answered: false });
    expect(spot.present()?.sinceMs).toBe(9);
  });
});
