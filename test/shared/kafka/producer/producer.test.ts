import { expect, test } from "bun:test";
import { sleep } from "../../../../shared/clock.ts";
import { ByteWriter } from "../../../../shared/kafka/api/bytes.ts";
import { decodeBatches } from "../../../../shared/kafka/batch/decode.ts";
import { openProducer } from "../../../../shared/kafka/producer/producer.ts";
import { type Asked, playedClient } from "../played-wire.ts";

const TOO_LARGE = 10;

/** Produce, version 7. */
function answered(errorCode: number, baseOffset: number): ByteWriter {
  return new ByteWriter()
    .array(["t"], (topics, topic) =>
      topics.string(topic).array([0], (row, id) => {
        row.int32(id).int16(errorCode).int64(baseOffset).int64(-1).int64(0);
      }),
    )
    .int32(0);
}

function produced({ body }: Asked) {
  body.nullableString();
  body.int16();
  const replicasMs = body.int32();
  const batches = body.array((topics) => {
    topics.string();
    return topics.array((row) => {
      row.int32();
      return row.nullableBytes() ?? Buffer.alloc(0);
    });
  });
  const { records } = decodeBatches(Buffer.concat(batches.flat()), 0);
  return { keys: records.map(({ key }) => String(key)), replicasMs };
}

const record = (key: string) => ({ key, value: "v" });

test("ends a call that waits for its turn at its deadline or signal, and never writes it", async () => {
  const asked: string[] = [];
  const client = playedClient({
    answer: async (_id, request) => {
      asked.push(...produced(request).keys);
      await sleep(600);
      return answered(0, 0);
    },
  });
  const producer = openProducer({ client, log: () => {} });
  const stop = new AbortController();
  const started = performance.now();
  const endedAt = async (sent: ReturnType<typeof producer.send>) => {
    const answer = await sent;
    return [answer.ok ? "ok" : answer.error.code, performance.now() - started] as const;
  };
  const first = endedAt(producer.send("t", [record("a")], { deadlineMs: 5000 }));
  const timed = endedAt(producer.send("t", [record("b")], { deadlineMs: 100 }));
  const call = { deadlineMs: 5000, signal: stop.signal };
  const stopped = endedAt(producer.send("t", [record("c")], call));
  const last = endedAt(producer.send("t", [record("d")], { deadlineMs: 5000 }));
  await sleep(150);
  stop.abort();
  for (const ended of [await timed, await stopped]) {
    expect(ended[0]).toBe("timeout");
    expect(ended[1]).toBeLessThan(500);
  }
  expect([(await first)[0], (await last)[0]]).toEqual(["ok", "ok"]);
  expect(asked).toEqual(["a", "d"]);
});

test("splits a batch that the topic finds too large, and names the record that is", async () => {
  const client = playedClient({
    answer: (_id, request) => {
      const { keys } = produced(request);
      const refused = keys.length > 2 || keys.includes("7");
      return Promise.resolve(answered(refused ? TOO_LARGE : 0, Number(keys[0])));
    },
  });
  const producer = openProducer({ client, log: () => {} });
  const keys = Array.from({ length: 7 }, (_, i) => String(i));
  const sent = await producer.send("t", keys.map(record), { deadlineMs: 1000 });
  expect(sent.ok ? sent.value : sent.error).toEqual(
    keys.map((key) => ({ partition: 0, offset: Number(key) })),
  );
  const refused = await producer.send("t", ["6", "7"].map(record), { deadlineMs: 1000 });
  expect(refused.ok ? "ok" : `${refused.error.code} ${refused.error.retry}`).toBe(
    "too-large terminal",
  );
});

test("gives the replicas less time than the attempt, and goes by a lane of its own", async () => {
  const seen: unknown[] = [];
  const client = playedClient({
    answer: (_id, request) => {
      seen.push(request.lane, produced(request).replicasMs < request.call.deadlineMs * 0.85);
      return Promise.resolve(answered(0, 0));
    },
  });
  await openProducer({ client, log: () => {} }).send("t", [record("a")], { deadlineMs: 9000 });
  expect(seen).toEqual(["produce", true]);
});
