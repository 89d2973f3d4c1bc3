/**
 * `bun run bench collect`: the compiled `agent collect` on a real API server and a real Kafka. Peak RSS at
 * 10,000 pods and at 50,000 objects, its start included; objects a second from a list to Kafka; the time
 * from a change in the API server until its record is read; RSS while Kafka is stopped under changes.
 * Makes its own box (test/bed/kubernetes/box.sh, etcd and API server alone).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { openCredentials } from "../shared/kubernetes/credentials.ts";
import { openTransport, type Transport } from "../shared/kubernetes/transport.ts";
import { compileAgent } from "../test/agent/compiled.ts";
import { until } from "../test/bed/condition.ts";
import { type KafkaBed, startKafka } from "../test/bed/kafka/kafka.ts";
import { type KubernetesBed, openKubernetes } from "../test/bed/kubernetes/kubernetes.ts";
import { freePort } from "../test/bed/port.ts";
import { value } from "../test/contract/runtime-subject.ts";
import { type Collected, followCollected } from "../test/system/collected.ts";
import { configMapOf, podOf } from "./collect/objects.ts";
import { figure, quantile } from "./figure.ts";

const BOX = join(import.meta.dir, "../test/bed/kubernetes/box.sh");
const PODS = Number(Bun.env["BENCH_PODS"] ?? 10_000);
const OBJECTS = Number(Bun.env["BENCH_OBJECTS"] ?? 50_000);
const NAMESPACE = "bench";
const AT_ONCE = 32;
const CHANGES = 200;
const OUTAGE_MS = Number(Bun.env["BENCH_OUTAGE_MS"] ?? 30_000);
const PATIENCE = { deadlineMs: 240_000, intervalMs: 20 } as const;
const KIB = 1024;

async function inBox(): Promise<number> {
  const child = Bun.spawn([BOX, process.execPath, import.meta.path], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    env: { ...Bun.env, MODE: "api" },
  });
  return await child.exited;
}

async function send(
  transport: Transport,
  method: string,
  path: string,
  body: object,
): Promise<void> {
  const response = await transport.send({
    method,
    path,
    headers: {
      "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
}

async function each(count: number, act: (number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let number = next++; number < count; number = next++) await act(number);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

const path = (plural: string) => `/api/v1/namespaces/${NAMESPACE}/${plural}`;

/** In MiB, since the process began, and now. */
function memoryOf(pid: number): { readonly peak: number; readonly now: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "mu").exec(status)?.[1]);
  return { peak: field("VmHWM") / KIB, now: field("VmRSS") / KIB };
}

type Scene = {
  readonly bed: KubernetesBed;
  readonly kafka: KafkaBed;
  readonly transport: Transport;
};
type Started = {
  readonly pid: number;
  readonly stop: () => Promise<unknown>;
  readonly health: () => Promise<Health>;
};
const Health = v.object({
  status: v.string(),
  records_sent: v.number(),
  kinds: v.array(v.object({ kind: v.string(), objects: v.number(), full_pass: v.string() })),
});
type Health = v.InferOutput<typeof Health>;

const agent = await compileAgent();

async function start({ bed, kafka }: Scene, id: string, kinds: string): Promise<Started> {
  const port = await freePort();
  const child = agent.start(["collect"], {
    CLIENT_ID: id,
    KAFKA_BROKERS: kafka.bootstrap,
    KUBECONFIG: bed.kubeconfig,
    COLLECT_KINDS: kinds,
    PORT: String(port),
  });
  const health = async () =>
    v.parse(Health, await (await fetch(`http://127.0.0.1:${port}/health/collect`)).json());
  return { pid: child.pid, stop: () => child.stop(), health };
}

/** From the agent's start until Kafka has the mark of every kind. */
async function pass(scene: Scene, id: string, kinds: string, count: number): Promise<Started> {
  const sinceMs = performance.now();
  const started = await start(scene, id, kinds);
  await until(
    "every kind to be closed",
    async () => {
      const { kinds: closing } = await started.health();
      // Before its first record there is none.
      return closing.length > 0 && closing.every((kind) => kind.full_pass === "closed");
    },
    PATIENCE,
  );
  const seconds = (performance.now() - sinceMs) / 1000;
  const common = { bench: "collect", unit: "objects/s" };
  figure({ ...common, figure: `${id}_objects_per_second_start_included`, value: count / seconds });
  return started;
}

async function changes({ transport }: Scene, collected: Collected): Promise<readonly number[]> {
  const times: number[] = [];
  for (let number = 0; number < CHANGES; number += 1) {
    const label = `l${number}`;
    const sinceMs = performance.now();
    const patch = { metadata: { labels: { change: label } } };
    await send(transport, "PATCH", `${path("configmaps")}/map-${number}`, patch);
    const seen = () =>
      [...(collected.state.rows.get("configmaps")?.values() ?? [])].some(({ record }) =>
        JSON.stringify(record.object["labels"]).includes(`"${label}"`),
      );
    await until("the change to be read", seen, { deadlineMs: 30_000, intervalMs: 1 });
    times.push(performance.now() - sinceMs);
  }
  return times;
}

/** Kafka stopped, about 200 changes a second meanwhile. */
async function outage(scene: Scene, { pid, health }: Started): Promise<number> {
  const { kafka, transport } = scene;
  const [broker] = kafka.brokers;
  if (broker === undefined) throw new Error("no broker");
  const beforeMib = memoryOf(pid).now;
  await broker.kill("SIGSTOP");
  let peak = beforeMib;
  const endMs = performance.now() + OUTAGE_MS;
  for (let number = 0; performance.now() < endMs; number += 1) {
    const patch = { metadata: { labels: { outage: `o${number}` } } };
    await send(transport, "PATCH", `${path("configmaps")}/map-${number % 5000}`, patch);
    if (number % 50 === 0) peak = Math.max(peak, memoryOf(pid).now);
  }
  await broker.kill("SIGCONT");
  await until("Kafka to take it again", async () => (await health()).status === "ok", PATIENCE);
  return Math.max(peak, memoryOf(pid).now) - beforeMib;
}

async function measure(): Promise<void> {
  const bed = openKubernetes(import.meta.path);
  const kafka = await startKafka({ heap: "384m" });
  const transport = openTransport(
    value(openCredentials({ kubeconfig: bed.kubeconfig })),
    "bench/1",
  );
  const scene: Scene = { bed, kafka, transport };
  const common = { bench: "collect", unit: "MiB" };
  await bed.kubectl(["create", "namespace", NAMESPACE]);
  await bed.kubectl(["create", "serviceaccount", "default", "-n", NAMESPACE]);
  await each(PODS, (number) => send(transport, "POST", path("pods"), podOf(number)));
  const small = await pass(scene, "pods", "pods", PODS);
  const atPods = memoryOf(small.pid);
  figure({
    ...common,
    figure: `peak_rss_at_${PODS}_pods`,
    value: atPods.peak,
    bar: { atMost: 80 },
  });
  await small.stop();
  const rest = OBJECTS - PODS;
  await each(rest, (number) => send(transport, "POST", path("configmaps"), configMapOf(number)));
  const large = await pass(scene, "all", "pods,configmaps", OBJECTS);
  const atAll = memoryOf(large.pid);
  figure({
    ...common,
    figure: `peak_rss_at_${OBJECTS}_objects`,
    value: atAll.peak,
    bar: { atMost: 120 },
  });
  const collected = await followCollected(kafka.bootstrap, "all");
  await until("the reader", () => collected.state.closed.size === 2, PATIENCE);
  const times = await changes(scene, collected);
  const change = { bench: "collect", unit: "ms" };
  figure({ ...change, figure: "change_to_record_p50", value: quantile(times, 0.5) });
  figure({
    ...change,
    figure: "change_to_record_p99",
    value: quantile(times, 0.99),
    bar: { atMost: 1000 },
  });
  const grown = await outage(scene, large);
  figure({
    ...common,
    figure: "rss_grown_while_kafka_was_stopped",
    value: grown,
    bar: { atMost: 30 },
  });
  if (collected.state.wrong.length > 0) throw new Error(collected.state.wrong.join("\n"));
  await collected.close();
  await large.stop();
  await kafka.stop();
}

if (Bun.env["OUTRIDER_BOX"] === "kubernetes") {
  await measure();
} else {
  process.exitCode = await inBox();
}
