/** Whether our beats arrive, as a value. */
import { expect, test } from "bun:test";
import {
  arrived,
  failed,
  forSeconds,
  lossText,
  lostOne,
  startDelivery,
} from "../../../agent/heartbeat/delivery.ts";

test("failed() counts an outage from the first try that failed, and names the last reason", () => {
  const up = arrived(startDelivery(0), 10);
  const down = failed(failed(up, 1000, "first"), 6000, "second");
  expect(down).toEqual({ kind: "down", sinceMs: 1000, lost: 0, detail: "second" });
  expect(forSeconds(down, 96_000)).toBe("95 s");
});

test("failed() counts an outage that was there from the start from the start", () => {
  expect(failed(startDelivery(100), 4000, "away").sinceMs).toBe(100);
});

test("arrived() keeps since when it is up, and ends a loss", () => {
  const up = arrived(lostOne(failed(startDelivery(0), 0, "away")), 500);
  expect(up).toEqual({ kind: "up", sinceMs: 500, lastMs: 500, lost: 0 });
  expect(arrived(up, 900)).toEqual({ kind: "up", sinceMs: 500, lastMs: 900, lost: 0 });
});

test("lossText() tells lost beats, and nothing where none was lost", () => {
  const down = failed(arrived(startDelivery(0), 0), 1000, "away");
  expect(lossText(down, 96_000)).toBeUndefined();
  const three = lostOne(lostOne(lostOne(down)));
  expect(lossText(lostOne(down), 96_000)).toBe("Kafka was away for 95 s, 1 beat not sent");
  expect(lossText(three, 96_000)).toBe("Kafka was away for 95 s, 3 beats not sent");
  expect(lossText(lostOne(arrived(down, 0)), 1)).toBe("Kafka was slow, 1 beat not sent");
});
