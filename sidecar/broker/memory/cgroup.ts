/**
 * The memory of Kafka, as its cgroup counts it. The cgroup is found through Kafka's process, since a
 * sidecar's own cgroup says nothing about Kafka. Reads about six small files each time, synchronously.
 *
 * Invariants (test/sidecar/broker/memory/cgroup.test.ts):
 *  - what is read is Kafka's cgroup, or the one that KAFKA_CGROUP names, or nothing;
 *  - without a limit, neither a limit nor a share of it is reported;
 *  - the limit is the lowest from Kafka's cgroup upwards, as far as it can be seen.
 */
import { dirname } from "node:path";
import type { Files } from "../../../shared/linux/kernel-files.ts";
import type { KafkaProcess } from "../snapshot.ts";
import {
  limitOf,
  MEMORY_FILES,
  type MemoryFigures,
  oomKillsOf,
  sizeOf,
  statOf,
} from "./cgroup-files.ts";
import { type CgroupVersion, directoryIn, memoryCgroup, memoryMounts } from "./cgroup-path.ts";

/** A pod's cgroup is 5 levels deep on a node; the kernel's maximum is configurable. */
const LEVELS_MAX = 32;

/** Whose cgroup is read: that of Kafka's process, our own (as the original), or a path that was given. */
export type MemorySource = "kafka" | "self" | "path";

export type Memory =
  | {
      readonly kind: "read";
      readonly source: MemorySource;
      /** Where it was read, and which cgroup sets the limit, or why there is none. */
      readonly detail: string;
      /** Identifies the cgroup, even if several had the same path one after the other. */
      readonly cgroup: string;
      readonly figures: MemoryFigures;
    }
  | { readonly kind: "absent"; readonly reason: string };

export type MemoryReader = { readonly read: () => Memory };

export type MemoryReaderOptions = {
  readonly files: Files;
  /** KAFKA_CGROUP: `self`, or a cgroup's directory; undefined for Kafka's own. */
  readonly setting: string | undefined;
  readonly kafka: () => KafkaProcess;
  readonly ownPid: number;
};

export function openMemoryReader({
  files,
  setting,
  kafka,
  ownPid,
}: MemoryReaderOptions): MemoryReader {
  const ofPid = (source: MemorySource, pid: number): Memory => {
    const place = locate(files, pid, ownPid);
    return "reason" in place ? { kind: "absent", ...place } : readMemory(files, source, place);
  };
  const ofKafka = (): Memory => {
    const process = kafka();
    if (process.kind === "running") return ofPid("kafka", process.pid);
    const why = process.kind === "gone" ? "it has ended" : process.reason;
    return { kind: "absent", reason: `Kafka's process is not visible: ${why}` };
  };
  return {
    read: () => {
      if (setting === undefined) return ofKafka();
      if (setting === "self") return ofPid("self", ownPid);
      const place = placeAt(files, setting);
      if (place !== undefined) return readMemory(files, "path", place);
      const names = `${MEMORY_FILES[2].usage} or ${MEMORY_FILES[1].usage}`;
      return { kind: "absent", reason: `KAFKA_CGROUP=${setting} has no ${names} that can be read` };
    },
  };
}

type Place = { readonly version: CgroupVersion; readonly directory: string };
type Missing = { readonly reason: string };

/**
 * The cgroup of a process, through its own mounts (in a container they show that container's), else through
 * ours: on a host, or with the host's hierarchy mounted. With a cgroup namespace of our own that fails,
 * because the names above our cgroup are `..`, and such a path cannot be followed downwards.
 */
function locate(files: Files, pid: number, ownPid: number): Place | Missing {
  const text = files.read(`/proc/${pid}/cgroup`);
  const cgroup = text.ok ? memoryCgroup(text.value) : undefined;
  if (cgroup === undefined) return { reason: `process ${pid} is in no cgroup that can be read` };
  const views = [
    { pid, root: `/proc/${pid}/root` },
    { pid: ownPid, root: "" },
  ];
  for (const view of views) {
    const mountinfo = files.read(`/proc/${view.pid}/mountinfo`);
    for (const mount of mountinfo.ok ? memoryMounts(mountinfo.value) : []) {
      const directory = directoryIn(mount, cgroup);
      const top = `${view.root}${mount.point}`;
      const place =
        directory === undefined ? undefined : countedIn(files, top, `${view.root}${directory}`);
      if (place !== undefined) return place;
    }
  }
  return { reason: notShown(files, pid, cgroup.path) };
}

/** If the controller is not enabled for a cgroup (v2), its parent counts the memory; not above `top`. */
function countedIn(files: Files, top: string, start: string): Place | undefined {
  let directory = start;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    const place = placeAt(files, directory);
    if (place !== undefined || directory === top) return place;
    directory = dirname(directory);
  }
  return undefined;
}

function placeAt(files: Files, directory: string): Place | undefined {
  for (const version of [2, 1] as const) {
    if (files.read(`${directory}/${MEMORY_FILES[version].usage}`).ok) return { version, directory };
  }
  return undefined;
}

/** Reading /proc/<pid>/root needs the right to read the process as a debugger (ptrace(2)). */
function notShown(files: Files, pid: number, path: string): string {
  const root = files.read(`/proc/${pid}/root/proc/version`);
  const isDenied = !root.ok && root.error === "denied";
  const what = `the cgroup ${path} of Kafka's process ${pid} is shown by no mount that can be read`;
  return isDenied
    ? `${what}: its files are closed to us; run the sidecar as Kafka's user and group, or set KAFKA_CGROUP`
    : `${what}; set KAFKA_CGROUP to its directory`;
}

function readMemory(files: Files, source: MemorySource, place: Place): Memory {
  const names = MEMORY_FILES[place.version];
  const read = (name: string) => {
    const text = files.read(`${place.directory}/${name}`);
    return text.ok ? text.value : "";
  };
  const usageBytes = sizeOf(read(names.usage));
  const stat = statOf(place.version, read(names.stat));
  if (usageBytes === undefined || stat === undefined) {
    return { kind: "absent", reason: `${place.directory} has no ${names.usage} and ${names.stat}` };
  }
  const limit = lowestLimit(files, place, stat.inheritedLimitBytes);
  return {
    kind: "read",
    source,
    detail: `cgroup v${place.version} at ${place.directory}, ${limit.detail}`,
    cgroup: files.identity(place.directory) ?? place.directory,
    figures: {
      usageBytes,
      rssBytes: stat.rssBytes,
      inactiveFileBytes: stat.inactiveFileBytes,
      limitBytes: limit.bytes,
      oomKills: oomKillsOf(read(names.events)),
    },
  };
}

type Limit = { readonly bytes: number | undefined; readonly detail: string };

/** As the kernel applies them: the lowest limit on any level. */
function lowestLimit(files: Files, place: Place, inheritedBytes: number | undefined): Limit {
  const name = MEMORY_FILES[place.version].limit;
  let lowest: Limit = { bytes: undefined, detail: "no limit and so no share of one" };
  const consider = (bytes: number | undefined, whose: string) => {
    if (bytes === undefined || bytes >= (lowest.bytes ?? Infinity)) return;
    lowest = { bytes, detail: `limit ${bytes} bytes (${whose})` };
  };
  let directory = place.directory;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    const text = files.read(`${directory}/${name}`);
    if (!text.ok) break;
    const isOwn = directory === place.directory;
    consider(limitOf(text.value), isOwn ? "its own" : `of ${directory}`);
    directory = dirname(directory);
  }
  consider(inheritedBytes, "of one above it");
  return lowest;
}
