/**
 * Kafka's process and its memory on this machine: real cgroups with real limits, of whichever version
 * it has, real brokers, and known amounts allocated.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFiles } from "../../shared/linux/kernel-files.ts";
import { type Memory, openMemoryReader } from "../../sidecar/broker/memory/cgroup.ts";
import type { MemoryFigures } from "../../sidecar/broker/memory/cgroup-files.ts";
import { openKafkaFinder } from "../../sidecar/broker/process/finder.ts";
import { type BedCgroup, openCgroup } from "../bed/cgroup.ts";
import { until } from "../bed/condition.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { accepts } from "../bed/port.ts";
import { killGroup, spawnReaped } from "../bed/reaper.ts";

const MIB = 1024 * 1024;
const LIMIT_BYTES = 512 * MIB;
const DEADLINE_MS = 60_000;
const TEST_MS = 120_000;

const files = openFiles();
const finderAt = (port: number) =>
  openKafkaFinder({
    files,
    local: { host: "127.0.0.1", port },
    ownPid: process.pid,
    ownAgeMs: () => performance.now(),
  });

/** Reads a cgroup by its directory, as KAFKA_CGROUP makes the sidecar do. */
const readAt = (directory: string): Memory =>
  openMemoryReader({
    files,
    setting: directory,
    kafka: () => ({ kind: "gone" }),
    ownPid: process.pid,
  }).read();

function figuresOf(memory: Memory): MemoryFigures {
  if (memory.kind === "absent") throw new Error(memory.reason);
  return memory.figures;
}

/** Within 5 % of what was allocated. */
function expectNear(bytes: number, allocated: number): void {
  expect(Math.abs(bytes - allocated) / allocated).toBeLessThanOrEqual(0.05);
}

function startEater(cgroup: BedCgroup) {
  const child = spawnReaped({
    name: "eat-memory",
    command: cgroup.inside([process.execPath, join(import.meta.dir, "eat-memory.ts")]),
    output: "pipe",
  });
  let said = "";
  const drained = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) said += decoder.decode(chunk, { stream: true });
  })();
  const says = async (count: number) => {
    await until(
      `line ${count} of the eater`,
      () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return said.split("\n").length > count;
      },
      { deadlineMs: DEADLINE_MS },
    );
  };
  let lines = 0;
  const answered = async () => {
    lines += 1;
    await says(lines);
  };
  const tell = async (line: string) => {
    void child.stdin.write(`${line}\n`);
    await child.stdin.flush();
  };
  return {
    child,
    ready: answered,
    tell,
    eat: async (line: string) => {
      await tell(line);
      await answered();
    },
    end: async () => {
      killGroup(child.pid);
      await child.exited;
      await drained;
    },
  };
}

describe("the memory of a cgroup", () => {
  test(
    "is what was allocated in it, within 5 %",
    async () => {
      const cgroup = await openCgroup({ memoryBytes: LIMIT_BYTES });
      const eater = startEater(cgroup);
      try {
        await eater.ready();
        const before = figuresOf(readAt(cgroup.memory));
        await eater.eat(`anonymous ${200 * MIB}`);
        const anonymous = figuresOf(readAt(cgroup.memory));
        expectNear(anonymous.rssBytes - before.rssBytes, 200 * MIB);
        expectNear(anonymous.usageBytes - before.usageBytes, 200 * MIB);
        await eater.eat(`file ${100 * MIB} ${join(tmpdir(), "eaten")}`);
        const cached = figuresOf(readAt(cgroup.memory));
        expectNear(cached.inactiveFileBytes - anonymous.inactiveFileBytes, 100 * MIB);
        expectNear(cached.usageBytes - anonymous.usageBytes, 100 * MIB);
        expectNear(cached.rssBytes - before.rssBytes, 200 * MIB);
        expect(cached.limitBytes).toBe(LIMIT_BYTES);
        expect(cached.oomKills).toBe(0);
      } finally {
        await eater.end();
        await cgroup.close();
      }
    },
    TEST_MS,
  );

  test(
    "counts the processes that the kernel killed in it",
    async () => {
      const cgroup = await openCgroup({ memoryBytes: 128 * MIB });
      const eater = startEater(cgroup);
      try {
        await eater.ready();
        await eater.tell(`anonymous ${256 * MIB}`);
        await eater.child.exited;
        expect(eater.child.signalCode).toBe("SIGKILL");
        expect(figuresOf(readAt(cgroup.memory)).oomKills).toBe(1);
      } finally {
        await eater.end();
        await cgroup.close();
      }
    },
    TEST_MS,
  );

  test("has no limit where none is set", async () => {
    const cgroup = await openCgroup({});
    try {
      expect(figuresOf(readAt(cgroup.memory)).limitBytes).toBeUndefined();
    } finally {
      await cgroup.close();
    }
  });

  test("is our own with KAFKA_CGROUP=self", () => {
    const memory = openMemoryReader({
      files,
      setting: "self",
      kafka: () => ({ kind: "gone" }),
      ownPid: process.pid,
    }).read();
    expect(memory).toMatchObject({ kind: "read", source: "self" });
    // This process alone is a part of it.
    expect(figuresOf(memory).rssBytes).toBeGreaterThan(10 * MIB);
  });
});

describe("Kafka's process", () => {
  let kafka: KafkaBed;
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3, heap: "256m" });
  }, TEST_MS);
  afterAll(() => kafka.stop());

  test("is told apart from the other brokers of a host by its port", () => {
    for (const broker of kafka.brokers) {
      expect(finderAt(broker.port).look()).toMatchObject({ kind: "running", pid: broker.pid });
    }
  });

  test(
    "is found anew in a cgroup of its own, with its age, its I/O and its memory",
    async () => {
      const broker = kafka.broker(0);
      const finder = finderAt(broker.port);
      expect(finder.look()).toMatchObject({ kind: "running", pid: broker.pid });
      finder.asking()();
      const words = (await readFile(`/proc/${broker.pid}/cmdline`, "utf8"))
        .split("\0")
        .slice(0, -1);
      await broker.stop();
      expect(finder.look()).toEqual({ kind: "gone" });
      // The other two are Kafka too, and neither is ours.
      expect(finderAt(broker.port).look()).toMatchObject({ kind: "hidden" });

      const cgroup = await openCgroup({ memoryBytes: 1024 * MIB });
      const startedMs = performance.now();
      const java = spawnReaped({
        ...{ name: "kafka-0", command: cgroup.inside(words), cwd: broker.dir, output: "pipe" },
      });
      const drained = Promise.all(
        [java.stdout, java.stderr].map((each) => new Response(each).text()),
      );
      try {
        const starting = await until(
          "the broker's process",
          () => {
            const seen = finder.look();
            return seen.kind === "running" && seen;
          },
          { deadlineMs: DEADLINE_MS },
        );
        expect(starting).toMatchObject({ pid: java.pid, hasAnswered: false });
        await until("its listener", () => accepts(broker.port), { deadlineMs: DEADLINE_MS });
        const serving = finder.look();
        if (serving.kind !== "running") throw new Error(`it is ${serving.kind}`);
        expect(Math.abs(serving.ageMs - (performance.now() - startedMs))).toBeLessThan(1000);
        expect(serving.ioBytes).toBeGreaterThan(starting.ioBytes ?? Infinity);

        const memory = openMemoryReader({
          files,
          setting: undefined,
          kafka: finder.look,
          ownPid: process.pid,
        });
        const reading = memory.read();
        expect(reading).toMatchObject({ kind: "read", source: "kafka" });
        const figures = figuresOf(reading);
        expect(figures.limitBytes).toBe(1024 * MIB);
        const status = await readFile(`/proc/${java.pid}/status`, "utf8");
        const anonymousKib = Number(/^RssAnon:\s+(\d+) kB$/mu.exec(status)?.[1]);
        expectNear(figures.rssBytes, anonymousKib * 1024);

        killGroup(java.pid);
        await java.exited;
        expect(memory.read()).toMatchObject({ kind: "absent" });
      } finally {
        killGroup(java.pid);
        await drained;
        await cgroup.close();
        await broker.start();
      }
    },
    TEST_MS,
  );
});
