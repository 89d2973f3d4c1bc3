/**
 * The broker sidecar in a pod with a real Kafka, both as charts/sidecar/examples/kafka has them: the kubelet
 * asks the probes and calls the preStop (issue 5, shows 4).
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chown, cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { until } from "../bed/condition.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { signalProcess } from "../bed/reaper.ts";
import { IMAGES, loadProgram, openScene } from "./helm-scene.ts";
import { loadKafka } from "./kafka-image.ts";
import { chartPath } from "./manifest.ts";

const NAMESPACE = "broker-pod";
const KAFKA_IMAGE = "localhost/kafka:1";
const MIB = 1024 * 1024;
const KAFKA_BYTES = 768 * MIB;
/** The chart's default. */
const SIDECAR_BYTES = 128 * MIB;
const USER = 1000;
const GRACE_MS = 210_000;
const READY_MS = 240_000;
const RESTART_MS = 180_000;
const LIMIT_MS = 600_000;
const CLOSE_ENOUGH = 0.05;

const VALUES = {
  image: KAFKA_IMAGE,
  sidecarImage: IMAGES.sidecar,
  replicas: 1,
  heap: "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
  resources: {
    requests: { cpu: "100m", memory: `${KAFKA_BYTES}` },
    limits: { memory: `${KAFKA_BYTES}` },
  },
};
/** A minute of silence and the grace of an orderly end are right for users, and long for a test. */
const IMPATIENT = Object.entries({
  periodSeconds: 2,
  failureThreshold: 2,
  terminationGracePeriodSeconds: 5,
}).map(([name, value]) => ({
  ...{ op: "add", value },
  path: `/spec/template/spec/containers/0/livenessProbe/${name}`,
}));

const Pod = v.object({
  metadata: v.object({ uid: v.string() }),
  status: v.object({
    podIP: v.string(),
    containerStatuses: v.array(v.object({ restartCount: v.number(), ready: v.boolean() })),
    initContainerStatuses: v.array(v.object({ restartCount: v.number() })),
  }),
});

let bed: KubernetesBed;
const kubectl = (...words: readonly string[]) => bed.kubectl([...words, "-n", NAMESPACE]);

beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  await bed.makeNamespace(NAMESPACE, { restricted: true });
  await loadProgram(bed, { name: IMAGES.sidecar, program: "sidecar" });
  await loadKafka(bed, KAFKA_IMAGE);
  await offerVolume();
}, READY_MS);
afterAll(async () => {
  await bed?.kubectl(["delete", "namespace", NAMESPACE, "--wait=true", "--timeout=60s"]);
}, 90_000);

/** For the claim of the chart's StatefulSet. */
async function offerVolume(): Promise<void> {
  const path = join(bed.directory, "kafka-data");
  await mkdir(path);
  await chown(path, USER, USER);
  await bed.apply({
    ...{ apiVersion: "v1", kind: "PersistentVolume", metadata: { name: "kafka-data" } },
    spec: { capacity: { storage: "20Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path } },
  });
}

/** As a user does: a chart that depends on ours. Ends when the pod is ready by the kubelet's probes. */
async function install(): Promise<void> {
  const copy = join(bed.directory, "charts/sidecar");
  await cp(chartPath("sidecar"), copy, { recursive: true });
  const chart = join(copy, "examples/kafka");
  await bed.helm(["dependency", "update", chart]);
  const file = join(bed.directory, "kafka-values.json");
  await Bun.write(file, JSON.stringify(VALUES));
  const wait = ["--wait", "--timeout", `${READY_MS / 1000}s`];
  await bed.helm(["install", "kafka", chart, "-f", file, "-n", NAMESPACE, ...wait]);
}

async function pod() {
  const { metadata, status } = v.parse(
    Pod,
    JSON.parse(await kubectl("get", "pod", "kafka-0", "-o", "json")),
  );
  return {
    uid: metadata.uid,
    address: `http://${status.podIP}:8080`,
    kafka: status.containerStatuses[0],
    sidecar: status.initContainerStatuses[0],
  };
}

/** The machine is this box, and its processes are seen. */
function kafkaPid(): number {
  const pids = readdirSync("/proc").filter((name) => {
    if (!/^\d+$/u.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").includes("kafka.Kafka");
    } catch {
      return false;
    }
  });
  if (pids.length !== 1) throw new Error(`processes of Kafka: ${pids.join(", ") || "none"}`);
  return Number(pids[0]);
}

/** What the kernel says of the cgroup that a process is in. */
async function cgroupMemory(pid: number) {
  const isFirst = existsSync("/sys/fs/cgroup/memory");
  const lines = await readFile(`/proc/${pid}/cgroup`, "utf8");
  const path = (isFirst ? /:memory:(?<path>.*)$/mu : /^0::(?<path>.*)$/mu).exec(lines);
  const top = `/sys/fs/cgroup${isFirst ? "/memory" : ""}${path?.groups?.["path"]}`;
  const [usage, limit] = isFirst
    ? ["memory.usage_in_bytes", "memory.limit_in_bytes"]
    : ["memory.current", "memory.max"];
  const read = async (file = "") => Number(await readFile(join(top, file), "utf8"));
  return { usage: await read(usage), limit: await read(limit) };
}

async function get(address: string, path: string): Promise<string> {
  const answer = await fetch(`${address}${path}`, { signal: AbortSignal.timeout(10_000) });
  return await answer.text();
}

async function memoryIsKafkas(): Promise<void> {
  const { address } = await pod();
  const series = (text: string, name: string) =>
    Number(new RegExp(`^${name} (?<value>.+)$`, "mu").exec(text)?.groups?.["value"]);
  const seen = await until(
    "kafka_memory_usage_bytes to agree with the kernel",
    async () => {
      const text = await get(address, "/metrics");
      const kernel = await cgroupMemory(kafkaPid());
      const usage = series(text, "kafka_memory_usage_bytes");
      if (!(Math.abs(usage - kernel.usage) <= CLOSE_ENOUGH * kernel.usage)) {
        throw new Error(`${usage} of the sidecar, ${kernel.usage} of the kernel`);
      }
      return { text, kernel, usage };
    },
    { deadlineMs: 30_000 },
  );
  process.stderr.write(`memory: sidecar ${seen.usage}, kernel ${seen.kernel.usage}\n`);
  expect(seen.kernel.limit).toBe(KAFKA_BYTES);
  expect(series(seen.text, "kafka_memory_limit_bytes")).toBe(KAFKA_BYTES);
  expect(series(seen.text, "outrider_broker_memory_source_kafka")).toBe(1);
  // More than the sidecar's own cgroup could hold.
  expect(seen.usage).toBeGreaterThan(SIDECAR_BYTES);
  expect(await get(address, "/about")).toMatch(/\/proc\/\d+\/root\/sys\/fs\/cgroup/u);
}

/** A rolling update: the kubelet stops the pod, and another one takes its place. */
async function drainsBeforeItsEnd(): Promise<void> {
  const before = await pod();
  const patch = ["patch", "statefulset", "kafka", "--type=json", "-p", JSON.stringify(IMPATIENT)];
  const startedMs = performance.now();
  const [kafka, sidecar] = await Promise.all([
    kubectl("logs", "-f", "kafka-0", "-c", "kafka"),
    kubectl("logs", "-f", "kafka-0", "-c", "kafka-sidecar"),
    kubectl(...patch),
  ]);
  const tookMs = performance.now() - startedMs;
  process.stderr.write(`stopped in ${Math.round(tookMs)} ms\n${tellingLines(kafka, sidecar)}\n`);
  expect(tookMs).toBeLessThan(GRACE_MS);
  expect(sidecar).toMatch(/a drain began.*a drain ended: safe to stop/su);
  expect(kafka).toMatch(/PENDING_CONTROLLED_SHUTDOWN.*BrokerServer id=0\] shut down completed/su);
  await kubectl("rollout", "status", "statefulset/kafka", `--timeout=${READY_MS / 1000}s`);
  expect((await pod()).uid).not.toBe(before.uid);
}

const tellingLines = (...logs: readonly string[]): string =>
  logs
    .flatMap((log) => log.split("\n"))
    .filter((line) => /drain|CONTROLLED|shut down completed|SIGTERM/u.test(line))
    .join("\n");

async function restartsASilentKafka(): Promise<void> {
  const pid = kafkaPid();
  const startedMs = performance.now();
  signalProcess(pid, "SIGSTOP");
  await until(
    "the kubelet to restart Kafka's container, and it alone",
    async () => {
      const { kafka, sidecar } = await pod();
      return kafka?.restartCount === 1 && kafka.ready && sidecar?.restartCount === 0;
    },
    { deadlineMs: RESTART_MS, intervalMs: 500 },
  );
  const tookMs = Math.round(performance.now() - startedMs);
  const events = await kubectl("get", "events", "-o", "jsonpath={.items[*].message}");
  process.stderr.write(`silent Kafka: restarted and ready in ${tookMs} ms\n`);
  expect(events).toContain("Liveness probe failed: HTTP probe failed with statuscode: 503");
  expect(events).toContain("Container kafka failed liveness probe, will be restarted");
  expect(kafkaPid()).not.toBe(pid);
}

test(
  "the sidecar in Kafka's pod: the kubelet waits, restarts and drains by it, and it shows Kafka's memory",
  async () => {
    try {
      await install();
      await memoryIsKafkas();
      await drainsBeforeItsEnd();
      await restartsASilentKafka();
      await memoryIsKafkas();
    } catch (error) {
      process.stderr.write(`${await openScene(bed, NAMESPACE).evidence()}\n`);
      for (const name of ["kafka", "kafka-sidecar"]) {
        const log = await kubectl("logs", "kafka-0", "-c", name, "--tail=60").catch(String);
        process.stderr.write(`--- ${name}\n${log}\n`);
      }
      process.stderr.write(`${await bed.logTail(5)}\n`);
      throw error;
    }
  },
  LIMIT_MS,
);
