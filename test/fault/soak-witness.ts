/**
 * A witness beside the sidecars: asks each broker itself, on a new connection each time, whether it
 * answers. On a machine that starves a broker a sidecar is right to say that it is silent.
 */
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import type { Span } from "./soak-model.ts";

const EVERY_MS = 500;
/** Half of a sidecar's deadline: ours is another moment than its own. */
const SLOW_MS = 500;
const GIVEN_UP_MS = 10_000;
/** ApiVersions (18) version 0, without a client id: https://kafka.apache.org/protocol#The_Messages_ApiVersions */
const QUESTION = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);

export type Witness = { readonly stop: () => Promise<void> };

/** Writes down when a broker was slow, while it still is. */
export function openWitness(kafka: KafkaBed, note: (kind: "slow", node: number) => Span): Witness {
  let stopped = false;
  const watch = async (node: number) => {
    while (!stopped) {
      let span: Span | undefined;
      const sinceMs = performance.now();
      const late = setTimeout(() => {
        span = note("slow", node);
        span.fromMs = sinceMs;
      }, SLOW_MS);
      await answered(kafka.broker(node).port);
      clearTimeout(late);
      if (span !== undefined) span.toMs = performance.now();
      await Bun.sleep(EVERY_MS);
    }
  };
  const all = kafka.brokers.map(({ id }) => watch(id));
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(all);
    },
  };
}

/** Resolves when it has said anything, closed the connection or refused it, or after a while. */
async function answered(port: number): Promise<void> {
  const said = Promise.withResolvers<void>();
  const deadline = setTimeout(said.resolve, GIVEN_UP_MS);
  const end = () => said.resolve();
  const connected = Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data: end, close: end, error: end, open: (socket) => void socket.write(QUESTION) },
  });
  connected.catch(end);
  await said.promise;
  clearTimeout(deadline);
  await connected.then((socket) => socket.end()).catch(() => undefined);
}
