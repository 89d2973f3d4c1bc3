/** The inbox: what was read is taken once, and reading pauses while too much waits. */
import { describe, expect, test } from "bun:test";
import type { KafkaRecord } from "../../../shared/kafka/batch/record.ts";
import type { ReadBatch } from "../../../shared/kafka/consumer/delivery.ts";
import { createInbox } from "../../../sidecar/control-plane/inbox.ts";
import { until } from "../../bed/condition.ts";

const WAITING_MAX = 200_000;
const RECORD: KafkaRecord = {
  ...{ offset: 0, timestampMs: 0, timestampType: "append", key: null, value: null },
  headers: () => ({}),
};
const batchOf = (count: number, partition = 0): ReadBatch => ({
  ...{ topic: "cluster.registry", partition, corrupt: [], nextOffset: count, highWatermark: count },
  records: Array.from({ length: count }, () => RECORD),
});

describe("createInbox()", () => {
  test("gives what was read once, with the next offset of each partition", () => {
    const inbox = createInbox(() => 0);
    void inbox.registry(batchOf(2));
    void inbox.registry(batchOf(3, 1));
    const taken = inbox.take();
    expect([taken.registry.length, ...taken.applied]).toEqual([5, [0, 2], [1, 3]]);
    expect(inbox.take()).toMatchObject({ registry: [], crossed: [], ticked: false });
  });
  test("a batch that cannot be read is refused as a whole, and passed", () => {
    const inbox = createInbox(() => 0);
    const corrupt = [{ baseOffset: 5, lastOffset: 9, detail: "checksum" }];
    void inbox.registry({ ...batchOf(0), corrupt, nextOffset: 10 });
    const taken = inbox.take();
    expect(taken.applied.get(0)).toBe(10);
    expect(taken.corrupt).toMatchObject([{ offset: 5, error: { code: "batch-corrupt" } }]);
  });
  test("reading goes on below its limit and pauses at it, until a round takes what waits", async () => {
    const inbox = createInbox(() => 0);
    inbox.take();
    expect(inbox.registry(batchOf(WAITING_MAX - 1))).toBeUndefined();
    const paused = inbox.registry(batchOf(1));
    expect(paused).toBeInstanceOf(Promise);
    inbox.take();
    await paused;
  });
  test("reading does not pause before the first round: promotion reads to the end", () => {
    const inbox = createInbox(() => 0);
    expect(inbox.registry(batchOf(WAITING_MAX + 1))).toBeUndefined();
  });
  test("two partitions that pause go on together", async () => {
    const inbox = createInbox(() => 0);
    inbox.take();
    const going = new Set<number>();
    for (const partition of [0, 1]) {
      const paused = inbox.registry(batchOf(WAITING_MAX, partition));
      void paused?.then(() => going.add(partition));
    }
    inbox.take();
    await until("both to go on", () => going.size === 2, { deadlineMs: 500, intervalMs: 1 });
  });
});
