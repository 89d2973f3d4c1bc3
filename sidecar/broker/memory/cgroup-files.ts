/**
 * Parses the memory files of a cgroup, of both versions: the kernel's
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
 * of 4 KiB; pages may have 64 KiB.
 */
const UNLIMITED_MIN = 2 ** 63 - 64 * 1024;

/** Undefined for no limit (`max`, or v1's number for it), and for a text that is no size. */
export function limitOf(text: string): number | undefined {
  const bytes = sizeOf(text);
  return bytes === undefined || bytes >= UNLIMITED_MIN ? undefined : bytes;
}

export function sizeOf(text: string): number | undefined {
  const digits = text.trim();
  return /^\d+$/u.test(digits) ? Number(digits) : undefined;
}

export type MemoryStat = {
  /** Anonymous memory: cannot be reclaimed. */
  readonly rssBytes: number;
  /** Page cache that is reclaimed first. */
  readonly inactiveFileBytes: number;
  /** v1 only: the lowest limit of this cgroup and all its parents, including those that we cannot see. */
  readonly inheritedLimitBytes: number | undefined;
};

/** Including the children: in v1 the plain names are without them. */
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
  /** The lowest limit in effect; undefined for none. */
  readonly limitBytes: number | undefined;
  readonly oomKills: number | undefined;
};

/** Usage without inactive page cache: the kubelet evicts by it, and it is compared with the limit. */
export const workingSetBytes = (figures: MemoryFigures): number =>
  Math.max(0, figures.usageBytes - figures.inactiveFileBytes);
