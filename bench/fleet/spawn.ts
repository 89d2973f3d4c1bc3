/** From a registration sent to the ledger saying that its worker runs; `sleep` is the worker. */

import { openKafkaClient } from "../../shared/kafka/cluster/client.ts";
import { openConsumer } from "../../shared/kafka/consumer/consumer.ts";
import { decodeLedger } from "../../shared/protocol/ledger.ts";
import { STATUS } from "../../shared/protocol/topic.ts";
import { until } from "../../test/bed/condition.ts";
import { openFleet } from "../../test/bed/control-plane.ts";
import { startKafka } from "../../test/bed/kafka/kafka.ts";
import { openSender } from "../../test/bed/sender.ts";
import { figure, quantile } from "../figure.ts";
import { residentMb } from "./memory.ts";

const SINGLE = 200;
const AT_ONCE = 1_000;
const SINGLE_P99_MAX_MS = 1_000;
const DEADLINE_MS = 120_000;

/** The control plane's defaults; only the session timeout is shortened. */
const DEFAULTS = {
  HEARTBEAT_TIMEOUT: "2m",
  CLEANUP_TIMEOUT: "5m",
  RECONCILE_INTERVAL: "30s",
  ACT_WINDOW: "5s",
  LOG_LEVEL: "info",
} as const;

export async function registrationToSpawn(): Promise<void> {
  const kafka = await startKafka();
  const fleet = await openFleet(kafka.bootstrap, DEFAULTS);
  const sender = openSender(kafka.bootstrap);
  const log = () => undefined;
  const client = openKafkaClient({ clientId: "bench", brokers: [kafka.bootstrap] }, { log });
  const runningAtMs = new Map<string, number>();
  try {
    const plane = await fleet.start();
    await plane.leads();
    const consumer = openConsumer({
      client,
      log,
      positions: [{ topic: STATUS, partition: 0, offset: 0 }],
      deliver: ({ records }) => {
        for (const { key, value } of records) {
          const read = decodeLedger(key, value);
          if (!read.ok || read.value.kind !== "status") continue;
          const { client_id: id, worker } = read.value.status;
          if (worker?.state === "running" && !runningAtMs.has(id)) {
            runningAtMs.set(id, performance.now());
          }
        }
      },
      problem: log,
    });
    const idle = await residentMb(plane.process.pid);
    figure({ bench: "fleet", figure: "control plane, idle RSS", value: idle, unit: "MB" });
    const single: number[] = [];
    for (let n = 0; n < SINGLE; n += 1) single.push(await once(`single-${n}`));
    report("one registration at a time", single, SINGLE_P99_MAX_MS);
    const sentMs = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => sender.register(`many-${n}`)));
    const count = () => [...runningAtMs.keys()].filter((id) => id.startsWith("many-")).length;
    await until(`${AT_ONCE} workers`, () => count() === AT_ONCE, { deadlineMs: DEADLINE_MS });
    const many = [...runningAtMs].filter(([id]) => id.startsWith("many-"));
    report(
      "1,000 registrations at once",
      many.map(([, atMs]) => atMs - sentMs),
    );
    await consumer.close();
  } finally {
    await client.close();
    await sender.close();
    await fleet.close();
    await kafka.stop();
  }

  async function once(id: string): Promise<number> {
    const sentMs = performance.now();
    await sender.register(id);
    const atMs = await until(`the worker of ${id}`, () => runningAtMs.get(id), {
      deadlineMs: DEADLINE_MS,
      intervalMs: 1,
    });
    return atMs - sentMs;
  }
}

function report(what: string, ms: readonly number[], p99MaxMs?: number): void {
  const base = { bench: "fleet", unit: "ms" } as const;
  figure({
    ...base,
    figure: `registration to running worker, ${what}, p50`,
    value: quantile(ms, 0.5),
  });
  figure({
    ...base,
    figure: `registration to running worker, ${what}, p99`,
    value: quantile(ms, 0.99),
    ...(p99MaxMs === undefined ? {} : { bar: { below: p99MaxMs } }),
  });
}
