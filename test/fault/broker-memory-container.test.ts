/**
 * Kafka and the compiled sidecar as in a pod with a shared process namespace: each in a cgroup, a cgroup
 * namespace and a mount namespace of its own, so that neither sees the other's cgroup but through /proc.
 */
import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binaries } from "../bed/binaries.ts";
import { type BedCgroup, openCgroup } from "../bed/cgroup.ts";
import { until } from "../bed/condition.ts";
import { startKafka } from "../bed/kafka/kafka.ts";
import { freePort } from "../bed/port.ts";
import { type BedProcess, startProcess } from "../bed/process.ts";

const MIB = 1024 * 1024;
const KAFKA_BYTES = 1024 * MIB;
const SIDECAR_BYTES = 128 * MIB;
const DEADLINE_MS = 60_000;
const TEST_MS = 180_000;

/** As a container's runtime does: only the own cgroup is mounted, as the top. */
const MOUNT = 'mount -t "$TYPE" -o "$OPTIONS" none "$POINT" && exec "$@"';

const inContainer = (cgroup: BedCgroup, point: string, command: readonly string[]) => {
  const mount =
    cgroup.version === 1 ? ["TYPE=cgroup", "OPTIONS=memory"] : ["TYPE=cgroup2", "OPTIONS=rw"];
  const words = ["/usr/bin/env", ...mount, `POINT=${point}`, "/bin/sh", "-c", MOUNT, "sh"];
  return cgroup.inside(["unshare", "--cgroup", "--mount", ...words, ...command]);
};

test(
  "a sidecar in another container shows Kafka's memory, not its own",
  async () => {
    const { sidecar: binary } = await binaries();
    const point = await mkdtemp(join(tmpdir(), "outrider-cgroup-"));
    const processes: BedProcess[] = [];
    const cgroups = [
      await openCgroup({ memoryBytes: KAFKA_BYTES }),
      await openCgroup({ memoryBytes: SIDECAR_BYTES }),
    ] as const;
    const kafka = await startKafka({ heap: "256m" });
    try {
      const broker = kafka.broker(0);
      const commandLine = await readFile(`/proc/${broker.pid}/cmdline`, "utf8");
      await broker.stop();
      const java = startProcess({
        name: "kafka-0",
        command: inContainer(cgroups[0], point, commandLine.split("\0").slice(0, -1)),
        env: { PATH: "/usr/bin:/bin", TMPDIR: tmpdir() },
        cwd: broker.dir,
      });
      processes.push(java);
      const port = await freePort();
      const sidecar = startProcess({
        name: "sidecar",
        command: inContainer(cgroups[1], point, [binary, "broker"]),
        env: {
          ...{ HOSTNAME: "kafka-0", KAFKA_PORT: String(broker.port), PORT: String(port) },
          ...{ PATH: "/usr/bin:/bin", TMPDIR: tmpdir() },
        },
      });
      processes.push(sidecar);
      const get = async (path: string) => {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`);
        return { status: answer.status, text: await answer.text() };
      };
      await until(
        "the broker to be ready",
        async () => {
          const { status, text } = await get("/health/ready");
          if (status !== 200) throw new Error(text);
          return true;
        },
        { deadlineMs: DEADLINE_MS },
      );
      const metric = async (name: string) => {
        const { text } = await get("/metrics");
        const line = text.split("\n").find((each) => each.startsWith(`${name} `));
        return line === undefined ? undefined : Number(line.split(" ")[1]);
      };
      expect(await metric("kafka_memory_limit_bytes")).toBe(KAFKA_BYTES);
      expect(await metric("outrider_broker_memory_source_kafka")).toBe(1);
      expect(await metric("outrider_broker_oom_kills_total")).toBe(0);
      const rss = (await metric("kafka_memory_rss_bytes")) ?? 0;
      const status = await readFile(`/proc/${java.pid}/status`, "utf8");
      const anonymous = 1024 * Number(/^RssAnon:\s+(\d+) kB$/mu.exec(status)?.[1]);
      expect(Math.abs(rss - anonymous) / anonymous).toBeLessThanOrEqual(0.05);
      expect(await metric("kafka_memory_oom_floor_ratio")).toBeCloseTo(rss / KAFKA_BYTES, 1);
      expect((await get("/about")).text).toContain(`/proc/${java.pid}/root${point}`);

      await java.stop(0);
      await until(
        "Kafka's memory to be gone",
        async () => (await metric("kafka_memory_usage_bytes")) === undefined,
        { deadlineMs: DEADLINE_MS },
      );
      expect(await metric("outrider_broker_memory_source_none")).toBe(1);
    } catch (error) {
      const tails = processes.map((each) => `--- ${each.name}\n${each.output().slice(-4000)}`);
      throw new Error(`${String(error)}\n${tails.join("\n")}`, { cause: error });
    } finally {
      await Promise.all(processes.map((each) => each.stop(0)));
      await kafka.stop();
      for (const cgroup of cgroups) await cgroup.close();
      await rm(point, { recursive: true, force: true });
    }
  },
  TEST_MS,
);
