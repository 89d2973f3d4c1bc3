/** Kafka rebuilt at the same address, on a real socket: what is meant for the cluster before does not go there. */
import { expect, test } from "bun:test";
import { openKafkaClient } from "../../../../shared/kafka/cluster/client.ts";
import { clusterMetadata } from "../../../sidecar/broker/read/played-answers.ts";
import { playBroker, playedRequest } from "../played-broker.ts";

const METADATA = 3;
const PRODUCE = 0;
const CALL = { deadlineMs: 3_000 };
const TOPIC = "orders";

/** A broker whose cluster has an id that may change, and how many writes it took. */
async function rebuildable() {
  const seen = { clusterId: "first", writes: 0 };
  const broker = await playBroker(
    (apiKey) => {
      if (apiKey !== METADATA) seen.writes += 1;
      return clusterMetadata(seen.clusterId, broker.address.host, broker.address.port);
    },
    [[METADATA, 0, 12]],
  );
  return { broker, seen };
}

const open = (
  { host, port }: { readonly host: string; readonly port: number },
  more: { readonly oneCluster?: true },
) =>
  openKafkaClient(
    { clientId: "test", brokers: [`${host}:${port}`] },
    { log: () => undefined, ...more },
  );

test("openKafkaClient() with oneCluster sends another cluster nothing, and says which answers", async () => {
  const { broker, seen } = await rebuildable();
  const client = open(broker.address, { oneCluster: true });
  expect(await client.toBroker(0, playedRequest(PRODUCE, "Produce"), CALL)).toMatchObject({
    ok: true,
  });
  seen.clusterId = "second";
  const asked = await client.metadata([TOPIC], CALL);
  expect(asked.ok && asked.value.clusterId).toBe("second");
  const refused = {
    code: "invalid",
    retry: "terminal",
    detail: expect.stringContaining("its id was first and is second"),
  };
  expect(await client.toBroker(0, playedRequest(PRODUCE, "Produce"), CALL)).toMatchObject({
    error: refused,
  });
  expect(await client.leaderOf(TOPIC, 0, CALL)).toMatchObject({ error: refused });
  expect(await client.partitionCount(TOPIC, CALL)).toMatchObject({ error: refused });
  expect(seen.writes).toBe(1);
  seen.clusterId = "first";
  expect(await client.toBroker(0, playedRequest(PRODUCE, "Produce"), CALL)).toMatchObject({
    ok: true,
  });
  expect(await client.leaderOf(TOPIC, 0, CALL)).toMatchObject({ ok: true });
  await client.close();
  broker.close();
});

test("openKafkaClient() without it goes on with whichever cluster answers, as an agent does", async () => {
  const { broker, seen } = await rebuildable();
  const client = open(broker.address, {});
  await client.metadata([TOPIC], CALL);
  seen.clusterId = "second";
  await client.metadata([TOPIC], CALL);
  expect(await client.toBroker(0, playedRequest(PRODUCE, "Produce"), CALL)).toMatchObject({
    ok: true,
  });
  await client.close();
  broker.close();
});
