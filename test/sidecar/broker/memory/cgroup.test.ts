/** Memory of Kafka's cgroup, over recorded systems; over this one's: test/fault/broker-memory.test.ts. */
import { describe, expect, test } from "bun:test";
import { type Memory, openMemoryReader } from "../../../../sidecar/broker/memory/cgroup.ts";
import type { KafkaProcess } from "../../../../sidecar/broker/snapshot.ts";
import { filesFrom, type Recorded } from "../process/recorded-files.ts";
import {
  UNLIMITED_4K,
  UNLIMITED_64K,
  UNLIMITED_OLD,
  V1_CGROUPS,
  V1_MOUNTS,
  V2_MOUNT,
} from "./recorded-cgroups.ts";

const OWN = 20;
const MIB = 1024 * 1024;

const v2Files = (directory: string, limit: string | undefined, kills = 0): Recorded => ({
  [`${directory}/memory.current`]: `${600 * MIB}\n`,
  ...(limit === undefined ? {} : { [`${directory}/memory.max`]: `${limit}\n` }),
  [`${directory}/memory.stat`]: `anon ${400 * MIB}\nfile ${190 * MIB}\nkernel 0\ninactive_anon 7\nactive_anon 7\ninactive_file ${100 * MIB}\nactive_file 7\n`,
  [`${directory}/memory.events`]: `low 0\nhigh 0\nmax 3\noom ${kills}\noom_kill ${kills}\noom_group_kill 0\n`,
});
const v1Files = (directory: string, limit: string, inherited = limit): Recorded => ({
  [`${directory}/memory.usage_in_bytes`]: `${600 * MIB}\n`,
  [`${directory}/memory.limit_in_bytes`]: `${limit}\n`,
  [`${directory}/memory.stat`]: `cache 1\nrss 1\ninactive_file 1\nhierarchical_memory_limit ${inherited}\ntotal_cache 9\ntotal_rss ${400 * MIB}\ntotal_inactive_file ${100 * MIB}\n`,
  [`${directory}/memory.oom_control`]: "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
});

const running: KafkaProcess = {
  ...{ kind: "running", pid: 7, ageMs: 1, hasAnswered: true, ioBytes: 1 },
};

const read = (recorded: Recorded, setting?: string, kafka: KafkaProcess = running): Memory =>
  openMemoryReader({
    files: filesFrom(() => recorded),
    setting,
    kafka: () => kafka,
    ownPid: OWN,
  }).read();

/** What a row expects of `Memory`; a limit that is absent is null. */
const told = (memory: Memory) =>
  memory.kind === "absent"
    ? { absent: true }
    : { source: memory.source, limit: memory.figures.limitBytes ?? null, detail: memory.detail };

const IN_POD = "/proc/7/root/sys/fs/cgroup";

const SYSTEMS: Readonly<Record<string, Recorded>> = {
  "v2, in a pod, seen from the sidecar's own namespace": {
    "/proc/7/cgroup": "0::/../cri-containerd-abc.scope\n",
    "/proc/7/mountinfo": V2_MOUNT("/../cri-containerd-abc.scope"),
    ...v2Files(IN_POD, String(1024 * MIB)),
  },
  "v2, on a host": {
    "/proc/7/cgroup": "0::/system.slice/kafka.service\n",
    "/proc/7/mountinfo": V2_MOUNT("/"),
    ...v2Files(`${IN_POD}/system.slice/kafka.service`, String(1024 * MIB)),
    [`${IN_POD}/system.slice/memory.max`]: "max\n",
  },
  "v2, the host's hierarchy mounted for us, Kafka's root closed": {
    "/proc/7/cgroup": "0::/kubepods/pod1/abc\n",
    "/proc/7/mountinfo": V2_MOUNT("/kubepods/pod1/abc"),
    "/proc/7/root/sys/fs/cgroup/memory.current": { fault: "denied" },
    [`/proc/${OWN}/mountinfo`]: `9 8 0:26 / /host/cgroup ro - cgroup2 cgroup rw\n`,
    ...v2Files("/host/cgroup/kubepods/pod1/abc", String(1024 * MIB)),
  },
  "v2, Kafka in a cgroup that the controller is not on for": {
    "/proc/7/cgroup": "0::/user.slice/session.scope\n",
    "/proc/7/mountinfo": V2_MOUNT("/"),
    ...v2Files(`${IN_POD}/user.slice`, String(1024 * MIB)),
  },
  "v1, in a container": {
    "/proc/7/cgroup": V1_CGROUPS("/docker/abc"),
    "/proc/7/mountinfo": V1_MOUNTS("/docker/abc"),
    ...v1Files(`${IN_POD}/memory`, String(1024 * MIB)),
  },
  "v1 and an empty unified hierarchy, on a host": {
    "/proc/7/cgroup": V1_CGROUPS("/kafka"),
    "/proc/7/mountinfo": V1_MOUNTS("/"),
    ...v1Files(`${IN_POD}/memory/kafka`, String(1024 * MIB)),
    [`${IN_POD}/unified/system.slice/x/cgroup.procs`]: "7\n",
  },
  "v1, a lower limit above what we can see": {
    "/proc/7/cgroup": V1_CGROUPS("/docker/abc"),
    "/proc/7/mountinfo": V1_MOUNTS("/docker/abc"),
    ...v1Files(`${IN_POD}/memory`, UNLIMITED_4K, String(1024 * MIB)),
  },
  "v2, nested, a lower limit above its own": {
    "/proc/7/cgroup": "0::/kubepods/pod1/abc\n",
    "/proc/7/mountinfo": V2_MOUNT("/"),
    ...v2Files(`${IN_POD}/kubepods/pod1/abc`, String(2048 * MIB)),
    [`${IN_POD}/kubepods/pod1/memory.max`]: `${1024 * MIB}\n`,
    [`${IN_POD}/kubepods/memory.max`]: `${4096 * MIB}\n`,
  },
};

describe("openMemoryReader()", () => {
  test.each(Object.entries(SYSTEMS))("reads %s", (_, recorded) => {
    const memory = read(recorded);
    expect(told(memory)).toMatchObject({ source: "kafka", limit: 1024 * MIB });
    expect(memory).toMatchObject({
      figures: {
        usageBytes: 600 * MIB,
        rssBytes: 400 * MIB,
        inactiveFileBytes: 100 * MIB,
      },
    });
  });

  const unlimited = [
    [
      "v2",
      "max",
      { ...SYSTEMS["v2, on a host"], ...v2Files(`${IN_POD}/system.slice/kafka.service`, "max") },
    ],
    [
      "v2 without a limit's file",
      "none",
      {
        ...SYSTEMS["v2, in a pod, seen from the sidecar's own namespace"],
        [`${IN_POD}/memory.max`]: { fault: "absent" } as const,
      },
    ],
    ...[UNLIMITED_4K, UNLIMITED_64K, UNLIMITED_OLD].map(
      (limit) =>
        [
          "v1",
          limit,
          { ...SYSTEMS["v1, in a container"], ...v1Files(`${IN_POD}/memory`, limit) },
        ] as const,
    ),
  ] as const;
  test.each(unlimited)("tells no limit on %s with %s, and says so", (_, __, recorded) => {
    const memory = told(read(recorded));
    expect(memory).toMatchObject({ source: "kafka", limit: null });
    expect(JSON.stringify(memory)).toContain("no limit");
  });

  test("says whose limit it is", () => {
    const nested = read(SYSTEMS["v2, nested, a lower limit above its own"] ?? {});
    expect(JSON.stringify(nested)).toContain("(of /proc/7/root/sys/fs/cgroup/kubepods/pod1)");
    const inherited = read(SYSTEMS["v1, a lower limit above what we can see"] ?? {});
    expect(JSON.stringify(inherited)).toContain("(of one above it)");
  });

  const own: Recorded = {
    [`/proc/${OWN}/cgroup`]: "0::/\n",
    [`/proc/${OWN}/mountinfo`]: V2_MOUNT("/"),
    ...v2Files("/sys/fs/cgroup", String(128 * MIB)),
  };
  test("reads our own cgroup when told to, whatever Kafka's is", () => {
    const both = { ...own, ...SYSTEMS["v2, in a pod, seen from the sidecar's own namespace"] };
    expect(told(read(both, "self"))).toMatchObject({ source: "self", limit: 128 * MIB });
    expect(told(read(both))).toMatchObject({ source: "kafka", limit: 1024 * MIB });
  });

  test("never reads our own cgroup in place of Kafka's", () => {
    const hidden = {
      ...own,
      "/proc/7/cgroup": "0::/../kafka\n",
      "/proc/7/mountinfo": V2_MOUNT("/../kafka"),
      "/proc/7/root/proc/version": { fault: "denied" } as const,
    };
    const memory = read(hidden);
    expect(memory.kind).toBe("absent");
    expect(JSON.stringify(memory)).toContain("Kafka's user and group");
  });

  test.each(["/mnt/v2", "/mnt/v1"])("reads the directory %s that KAFKA_CGROUP names", (path) => {
    const recorded = { ...v2Files("/mnt/v2", "9000"), ...v1Files("/mnt/v1", "9000") };
    expect(told(read(recorded, path, { kind: "gone" }))).toMatchObject({
      source: "path",
      limit: 9000,
    });
  });

  const absences = [
    ["a directory that is no cgroup", {}, "/mnt/none", running, "KAFKA_CGROUP=/mnt/none"],
    ["a process that has ended", {}, undefined, { kind: "gone" }, "has ended"],
    ["a hidden process", {}, undefined, { kind: "hidden", reason: "no sharing" }, "no sharing"],
    ["a process without a cgroup", {}, undefined, running, "no cgroup"],
    [
      "a hierarchy that nobody mounted",
      { "/proc/7/cgroup": "0::/kafka\n" },
      undefined,
      running,
      "no mount",
    ],
    [
      "the root of v2, which is not counted",
      { "/proc/7/cgroup": "0::/\n", "/proc/7/mountinfo": V2_MOUNT("/") },
      undefined,
      running,
      "no mount",
    ],
    [
      "a statistic without figures",
      { "/m/memory.current": "1", "/m/memory.stat": "file 1" },
      "/m",
      running,
      "memory.stat",
    ],
  ] as const;
  test.each(absences)("tells nothing of %s, and why", (_, recorded, setting, kafka, reason) => {
    const memory = read(recorded, setting, kafka);
    expect(memory.kind).toBe("absent");
    expect(JSON.stringify(memory)).toContain(reason);
  });
});
