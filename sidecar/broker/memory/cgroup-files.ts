/**
 * Reads what a cgroup's files say of memory, of both versions: the kernel's
 * Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. Pure; sizes are bytes.
 */
import type { CgroupVersion } from "./cgroup-path.ts";

/** Names of the files in a cgroup's directory. `events` counts OOM kills. */
export const MEMORY_FILES = {
  1: {
    usage: "memory.usage_in_bytes",
    limit: "memory.limit_in_bytes",
    stat: "memory.stat",
    events: "memory.oom_control",
  },
  2: {
    usage: "memory.current",
    limit: "memory.max",
    stat: "memory.stat",
    events: "memory.events",
  },
} as const satisfies Record<CgroupVersion, Record<string, string>>;

/**
 * v1 writes "no limit" as the largest whole number of pages below 2^63, 9223372036854771712 with pages
 * of 4 KiB; pages may be of 64 KiB.
 */
const UNLIMITED_MIN = 2 ** 63 - 64 * 1024;

/** Undefined for no limit, `max` or v1's number for it, and for what is no size. */
export function limitOf(text: string): number | undefined {
  const bytes = sizeOf(text);
  return bytes === undefined || bytes >= UNLIMITED_MIN ? undefined : bytes;
}

export function sizeOf(text: string): number | undefined {
  const digits = text.trim();
  return /^\d+$/u.test(digits) ? Number(digits) : undefined;
}

export type MemoryStat = {
  /** Anonymous memory: cannot be given back. */
  readonly rssBytes: number;
  /** Cache that is given back first. */
  readonly inactiveFileBytes: number;
  /** v1 only: the lowest limit of this cgroup and all above it, those we cannot see included. */
  readonly inheritedLimitBytes: number | undefined;
};

/** With the children's: v1 counts a cgroup without them under the plain names. */
const STAT_NAMES = {
  1: { rss: "total_rss", inactiveFile: "total_inactive_file" },
  2: { rss: "anon", inactiveFile: "inactive_file" },
} as const;

/** From `memory.stat`; undefined when a figure is missing. */
export function statOf(version: CgroupVersion, text: string): MemoryStat | undefined {
  const names = STAT_NAMES[version];
  const rss = fieldOf(text, names.rss);
  const inactiveFile = fieldOf(text, names.inactiveFile);
  if (rss === undefined || inactiveFile === undefined) return undefined;
  return {
    rssBytes: rss,
    inactiveFileBytes: inactiveFile,
    inheritedLimitBytes: limitOf(String(fieldOf(text, "hierarchical_memory_limit") ?? "")),
  };
}

/** Undefined before Linux 4.13, which does not count them. */
export const oomKillsOf = (text: string): number | undefined => fieldOf(text, "oom_kill");

function fieldOf(text: string, name: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : sizeOf(line.slice(name.length));
}

export type MemoryFigures = {
  readonly usageBytes: number;
  readonly rssBytes: number;
  readonly inactiveFileBytes: number;
  /** The lowest limit that holds; undefined for none. */
  readonly limitBytes: number | undefined;
  readonly oomKills: number | undefined;
};

/** What the kubelet evicts by, and what is compared with the limit: usage without cold cache. */
export const workingSetBytes = (figures: MemoryFigures): number =>
  Math.max(0, figures.usageBytes - figures.inactiveFileBytes);
