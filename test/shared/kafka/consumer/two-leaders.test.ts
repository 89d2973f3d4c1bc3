/** The leader of a partition moves while the old one still has a fetch of ours. */

import { expect, test } from "bun:test";
import { sleep } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { encodeBatch, encodeRecord } from "../../../../shared/kafka/batch/encode.ts";
import { openConsumer } from "../../../../shared/kafka/consumer/consumer.ts";
import { playedClient } from "../played-wire.ts";

const END = 160;

function batch(base: number, count: number): Buffer {
  const records = Array.from({ length: count }, (_, i) =>
    encodeRecord({ key: `k${base + i}`, value: "v" }, i),
  );
  const bytes = encodeBatch(records, 0);
  bytes.writeBigInt64BE(BigInt(base));
  return bytes;
}

/** Fetch, version 11. */
const part = (highWatermark: number, bytes: Buffer) =>
  new ByteWriter()
    .int32(0)
    .int16(0)
    .int32(0)
    .array(["t"], (topics, topic) => {
      topics.string(topic).array([0], (row, partition) => {
        row.int32(partition).int16(0).int64(highWatermark).int64(highWatermark).int64(0);
        row
          .array([], () => {})
          .int32(-1)
          .nullableBytes(bytes);
      });
    });

test("reads each record once, one delivery at a time, though the old leader answers late", async () => {
  let leader = 1;
  let lateMs = 0;
  let served = 100;
  const got: number[] = [];
  let delivering = 0;
  let most = 0;
  const fromOldLeader = async () => {
    leader = 2;
    consumer.add({ topic: "other", partition: 0, offset: 0 });
    await sleep(700);
    lateMs = performance.now();
    return part(120, batch(100, 20));
  };
  const fromNewLeader = async () => {
    await sleep(20);
    if (served < 150) {
      served += 10;
      return part(150, batch(served - 10, 10));
    }
    const at = consumer.positions().find(({ topic }) => topic === "t")?.offset ?? 0;
    const late = lateMs !== 0 && performance.now() > lateMs + 100;
    return late && at < END ? part(END, batch(at, END - at)) : part(150, Buffer.alloc(0));
  };
  const client = playedClient({
    leaders: () => ({ t: leader }),
    answer: (id) => (id === 1 ? fromOldLeader() : fromNewLeader()),
  });
  const consumer = openConsumer({
    client,
    log: () => {},
    positions: [{ topic: "t", partition: 0, offset: 100 }],
    problem: () => {},
    deliver: async ({ records }) => {
      delivering += 1;
      most = Math.max(most, delivering);
      await sleep(5);
      for (const { offset } of records) got.push(offset);
      delivering -= 1;
    },
  });
  for (let turn = 0; turn < 300 && !got.includes(END - 1); turn += 1) await sleep(10);
  await consumer.close();
  expect(got).toEqual(Array.from({ length: END - 100 }, (_, i) => 100 + i));
  expect(most).toBe(1);
});
