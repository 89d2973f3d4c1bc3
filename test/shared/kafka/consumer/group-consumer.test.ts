/** ingest's consumer against a broker that takes connections and never answers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { runGroupConsumer } from "../../../../shared/kafka/consumer/group-consumer.ts";

const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on("error", () => {});
});
let port = 0;

beforeAll(async () => {
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const bound = server.address();
  port = typeof bound === "object" && bound !== null ? bound.port : 0;
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

function run(startMs: number, signal: AbortSignal) {
  return runGroupConsumer({
    kafka: { clientId: "x", brokers: [`127.0.0.1:${port}`] },
    log: () => {},
    groupId: "g",
    topic: "t",
    sessionTimeoutMs: 10_000,
    onBatch: () => Promise.resolve(),
    onEnd: () => {},
    signal,
    startMs,
  });
}

test("gives up when it cannot begin in time", async () => {
  const began = performance.now();
  const outcome = await run(200, new AbortController().signal).catch(String);
  expect(outcome).toContain("begin to consume topic t in group g: no answer within 200 ms");
  expect(performance.now() - began).toBeLessThan(2000);
});

test("heeds the signal while it begins", async () => {
  const began = performance.now();
  const consumer = await run(60_000, AbortSignal.timeout(200));
  expect(typeof consumer.disconnect).toBe("function");
  expect(performance.now() - began).toBeLessThan(2000);
});
