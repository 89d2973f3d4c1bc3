/** Start and memory of a control plane whose ledger holds 100,000 clusters. */
import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openProducer } from "../../shared/kafka/producer/producer.ts";
import { isClientId } from "../../shared/protocol/client-id.ts";
import { encodeControl } from "../../shared/protocol/control.ts";
import { encodeStatus } from "../../shared/protocol/ledger.ts";
import { CONTROL, STATUS, topicPlans } from "../../shared/protocol/topic.ts";
import { until } from "../../test/bed/condition.ts";
import { openFleet } from "../../test/bed/control-plane.ts";
import { startKafka } from "../../test/bed/kafka/kafka.ts";
import { figure } from "../figure.ts";
import { residentMb } from "./memory.ts";

const CLUSTERS = 100_000;
const CHUNK = 5_000;
const RSS_MAX_MB = 400;
const REPLAY_MAX_S = 10;
const SETTLED_ROUNDS = 20;

export async function hundredThousand(): Promise<void> {
  const kafka = await startKafka();
  const fleet = await openFleet(kafka.bootstrap, { LOG_LEVEL: "info" });
  try {
    const plan = topicPlans(1).find(({ name }) => name === STATUS);
    await kafka.tools.createTopic(STATUS, 1, { ...plan?.config });
    await kafka.tools.createTopic(CONTROL, 1, {});
    await writeLedger(kafka.bootstrap);
    const startMs = performance.now();
    const plane = await fleet.start();
    await plane.leads();
    const counted = () => plane.metric('outrider_clusters{state="dead"}');
    await until("all clusters", async () => (await counted()) === CLUSTERS, { deadlineMs: 60_000 });
    const replayS = (performance.now() - startMs) / 1000;
    const bench = "fleet";
    figure({
      bench,
      figure: "start to leading with 100,000 clusters in the ledger",
      value: replayS,
      unit: "s",
      bar: { atMost: REPLAY_MAX_S },
    });
    await until(
      "settled rounds",
      async () => (await plane.metric("outrider_round_seconds_count")) >= SETTLED_ROUNDS,
      { deadlineMs: 60_000 },
    );
    figure({
      bench,
      figure: "RSS with 100,000 registered clusters",
      value: await residentMb(plane.process.pid),
      unit: "MB",
      bar: { atMost: RSS_MAX_MB },
    });
  } finally {
    await fleet.close();
    await kafka.stop();
  }
}

async function writeLedger(bootstrap: string): Promise<void> {
  const log = () => undefined;
  const client = openKafkaClient({ clientId: "bench", brokers: [bootstrap] }, { log });
  const producer = openProducer({ client, log });
  /** Its offset is epoch 0, in which the ledger below was written. */
  const leader = encodeControl({ kind: "leader", leader: { instance: "bench", scope: "bench" } });
  await producer.send(CONTROL, [leader], { deadlineMs: 30_000 });
  for (let from = 0; from < CLUSTERS; from += CHUNK) {
    const names = Array.from({ length: CHUNK }, (_, n) => `cluster-${from + n}`).filter(isClientId);
    const records = names.map((clientId, n) => {
      const value = JSON.stringify({
        client_id: clientId,
        cluster_name: `prod ${from + n}`,
        version: "2.0.0",
        registered_at: "2026-01-01T00:00:00Z",
        metadata: { namespace: "observability", release_name: "kg-rca-agent" },
      });
      const status = encodeStatus({
        client_id: clientId,
        epoch: 0,
        state: "dead",
        reason: "silent",
        since: "2026-01-01T00:00:00.000Z",
        registry: { partition: 0, offset: from + n, value, headers: {} },
        withdrawal: null,
        worker: null,
      });
      return { key: clientId, value: status };
    });
    const sent = await producer.send(STATUS, records, { deadlineMs: 30_000 });
    if (!sent.ok) throw new Error(sent.error.detail);
  }
  await client.close();
}
