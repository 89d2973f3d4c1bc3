/** A client of the protocol with our own producer; the Java tools of the test bed are the foreign clients. */
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { HEARTBEAT, REGISTRY } from "../../shared/protocol/topic.ts";

const SEND_MS = 10_000;

export type Sender = {
  readonly register: (
    clientId: string,
    more?: Readonly<Record<string, unknown>>,
  ) => Promise<number>;
  readonly withdraw: (clientId: string) => Promise<number>;
  readonly beat: (clientId: string, more?: Readonly<Record<string, unknown>>) => Promise<number>;
  /** Beats for these clusters every `intervalMs`, until the returned function is called. */
  readonly beating: (
    clientIds: () => readonly string[],
    intervalMs?: number,
  ) => () => Promise<void>;
  /** Any record; returns its offset. */
  readonly send: (
    topic: string,
    key: string | Buffer | null,
    value: string | Buffer | null,
  ) => Promise<number>;
  readonly close: () => Promise<void>;
};

export function openSender(bootstrap: string): Sender {
  const log = () => undefined;
  const client = openKafkaClient({ clientId: "test", brokers: bootstrap.split(",") }, { log });
  const producer = openProducer({ client, log });
  const send: Sender["send"] = async (topic, key, value) => {
    const sent = await producer.send(topic, [{ key, value }], { deadlineMs: SEND_MS });
    if (!sent.ok) throw new Error(sent.error.detail);
    return sent.value[0]?.offset ?? -1;
  };
  const json = (value: Readonly<Record<string, unknown>>) => JSON.stringify(value);
  const beat: Sender["beat"] = (clientId, more = {}) =>
    send(
      HEARTBEAT,
      clientId,
      json({
        client_id: clientId,
        timestamp: new Date().toISOString(),
        status: "healthy",
        ...more,
      }),
    );
  return {
    send,
    register: (clientId, more = {}) =>
      send(REGISTRY, clientId, json({ client_id: clientId, cluster_name: clientId, ...more })),
    withdraw: (clientId) => send(REGISTRY, clientId, null),
    beat,
    beating: (clientIds, intervalMs = 500) => {
      let stopped = false;
      const loop = async () => {
        while (!stopped) {
          await Promise.all(clientIds().map((id) => beat(id).catch(() => undefined)));
          await Bun.sleep(intervalMs);
        }
      };
      const ended = loop();
      return async () => {
        stopped = true;
        await ended;
      };
    },
    close: () => client.close(),
  };
}
