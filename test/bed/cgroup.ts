/**
 * A cgroup of a test's own, of whichever version the machine has: limits that the kernel enforces on the
 * processes that are started in it. It is removed with the test process at the latest.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { until } from "./condition.ts";
import { BedUnavailable } from "./unavailable.ts";

const TOP = "/sys/fs/cgroup";
const PERIOD_US = 100_000;
const EMPTY_MS = 10_000;

export type CgroupLimits = {
  readonly memoryBytes?: number;
  /** Share of one CPU: 0.1 is a tenth. */
  readonly cpus?: number;
};

export type BedCgroup = {
  readonly version: 1 | 2;
  /** Where its memory files are. */
  readonly memory: string;
  /** Where its CPU files are; on v2 the same. */
  readonly cpu: string;
  /** A command that enters the cgroup and then becomes `command`, with the same pid. */
  readonly inside: (command: readonly string[]) => readonly string[];
  /** Kills what is in it, and removes it. */
  readonly close: () => Promise<void>;
};

const JOIN = 'for procs in $JOIN; do echo $$ > "$procs" || exit 70; done; unset JOIN; exec "$@"';

/** Waits for the end of its input, which ends with the test process. */
const JANITOR = `cat >/dev/null
for again in 1 2 3 4 5 6 7 8 9 10; do
  left=0
  for dir in "$@"; do
    [ -d "$dir" ] || continue
    xargs -r kill -KILL < "$dir/cgroup.procs" 2>/dev/null
    rmdir "$dir" 2>/dev/null || left=1
  done
  [ $left = 0 ] && exit
  sleep 0.2
done`;

/** @throws BedUnavailable if no cgroup can be created. */
export async function openCgroup(limits: CgroupLimits): Promise<BedCgroup> {
  const name = `outrider-test-${crypto.randomUUID().slice(0, 8)}`;
  const version = existsSync(`${TOP}/memory/memory.usage_in_bytes`) ? 1 : 2;
  const [memory, cpu] =
    version === 1
      ? [`${TOP}/memory/${name}`, `${TOP}/cpu/${name}`]
      : [TOP, TOP].map((top) => `${top}/${name}`);
  if (memory === undefined || cpu === undefined) throw new Error("no directory for a cgroup");
  const directories = [...new Set([memory, cpu])];
  const janitor = Bun.spawn(["/bin/sh", "-c", JANITOR, "outrider-bed-janitor", ...directories], {
    ...{ cwd: "/", stdin: "pipe", stdout: "ignore", stderr: "ignore", detached: true },
  });
  janitor.unref();
  try {
    if (version === 2) await writeFile(`${TOP}/cgroup.subtree_control`, "+memory +cpu");
    for (const directory of directories) await mkdir(directory);
    for (const [file, text] of settings(version, limits, memory, cpu)) await writeFile(file, text);
  } catch (cause) {
    await janitor.stdin.end();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BedUnavailable(`needs cgroups that root may write in ${TOP}: ${reason}`);
  }
  const procs = directories.map((directory) => `${directory}/cgroup.procs`);
  return {
    version,
    memory,
    cpu,
    inside: (command) => [
      "/usr/bin/env",
      `JOIN=${procs.join(" ")}`,
      "/bin/sh",
      "-c",
      JOIN,
      "sh",
      ...command,
    ],
    close: async () => {
      for (const directory of directories) await emptied(directory);
      await janitor.stdin.end();
      await janitor.exited;
    },
  };
}

function settings(
  version: 1 | 2,
  { memoryBytes, cpus }: CgroupLimits,
  memory: string,
  cpu: string,
): readonly (readonly [string, string])[] {
  const quota = cpus === undefined ? undefined : Math.round(cpus * PERIOD_US);
  const written: (readonly [string, string])[] = [];
  if (memoryBytes !== undefined) {
    const [limit, swap, most] =
      version === 1
        ? ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", memoryBytes]
        : ["memory.max", "memory.swap.max", 0];
    written.push([`${memory}/${limit}`, String(memoryBytes)]);
    // With swap the memory limit would not hold; a machine without swap does not have this file.
    if (existsSync(`${memory}/${swap}`)) written.push([`${memory}/${swap}`, String(most)]);
  }
  if (quota === undefined) return written;
  if (version === 2) return [...written, [`${cpu}/cpu.max`, `${quota} ${PERIOD_US}`]];
  const period = [`${cpu}/cpu.cfs_period_us`, String(PERIOD_US)] as const;
  return [...written, period, [`${cpu}/cpu.cfs_quota_us`, String(quota)]];
}

async function emptied(directory: string): Promise<void> {
  await until(
    `${directory} to be empty and removed`,
    async () => {
      if (!existsSync(directory)) return true;
      const pids = (await readFile(`${directory}/cgroup.procs`, "utf8")).trim().split("\n");
      for (const pid of pids.filter((each) => each !== "")) process.kill(Number(pid), "SIGKILL");
      await rmdir(directory);
      return true;
    },
    { deadlineMs: EMPTY_MS },
  );
}
