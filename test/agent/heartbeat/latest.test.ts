/** The one slot that holds the newest beat. */
import { expect, test } from "bun:test";
import { openLatest } from "../../../agent/heartbeat/latest.ts";

const never = new AbortController().signal;

test("put() returns the older item, and take() gives the newest one once", () => {
  const box = openLatest<number>();
  expect(box.put(1)).toBeUndefined();
  expect(box.put(2)).toBe(1);
  expect(box.take()).toBe(2);
  expect(box.take()).toBeUndefined();
});

test("putBack() keeps the item, unless there is a newer one", () => {
  const box = openLatest<number>();
  expect(box.putBack(1)).toBe(false);
  expect(box.putBack(0)).toBe(true);
  expect(box.take()).toBe(1);
});

test("filled() resolves at once when there is an item", async () => {
  const box = openLatest<number>();
  box.put(1);
  await box.filled(never);
  expect(box.take()).toBe(1);
});

test("filled() resolves at the next put()", async () => {
  const box = openLatest<number>();
  const filled = box.filled(never);
  box.put(1);
  await filled;
  expect(box.take()).toBe(1);
});

test("filled() resolves empty when the signal aborts, before or after", async () => {
  const box = openLatest<number>();
  const stop = new AbortController();
  const filled = box.filled(stop.signal);
  stop.abort();
  await filled;
  await box.filled(stop.signal);
  expect(box.take()).toBeUndefined();
});
