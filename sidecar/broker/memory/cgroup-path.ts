/**
 * Where a process's memory is counted: which cgroup of which hierarchy (cgroups(7)), and in which
 * directory a mount shows it (proc(5), mountinfo). Pure.
 *
 * The kernel tells both paths, of the process and of a mount's root, as the reader's own cgroup namespace
 * sees them, also for processes and mounts of other containers: `/../<other container>` in both. So
 * they can be compared, from a sidecar, from the host and under a host's mount alike.
 */

export type CgroupVersion = 1 | 2;

export type Cgroup = { readonly version: CgroupVersion; readonly path: string };

export type CgroupMount = {
  readonly version: CgroupVersion;
  /** The cgroup that is its top. */
  readonly root: string;
  /** Where it is, in the mount namespace that was asked. */
  readonly point: string;
};

/**
 * The cgroup that counts a process's memory, from /proc/<pid>/cgroup. A hybrid system has a unified
 * hierarchy too, empty of controllers: the memory controller is in one only, and a line names it.
 */
export function memoryCgroup(text: string): Cgroup | undefined {
  const lines = text.split("\n").map((line) => /^(\d+):([^:]*):(\/.*)$/u.exec(line));
  const v1 = lines.find((line) => line?.[2]?.split(",").includes("memory"))?.[3];
  if (v1 !== undefined) return { version: 1, path: v1 };
  const v2 = lines.find((line) => line?.[1] === "0" && line[2] === "")?.[3];
  return v2 === undefined ? undefined : { version: 2, path: v2 };
}

/** The mounts that can show memory, from /proc/<pid>/mountinfo; the last mounted first. */
export function memoryMounts(mountinfo: string): readonly CgroupMount[] {
  return mountinfo
    .split("\n")
    .flatMap((line) => mountOf(line) ?? [])
    .toReversed();
}

/** `36 35 98:0 /root /point rw,noatime shared:1 - cgroup2 cgroup2 rw,nsdelegate`. */
function mountOf(line: string): CgroupMount | undefined {
  const [left = "", right = ""] = line.split(" - ");
  const [, , , root, point] = left.split(" ");
  const [type, , options = ""] = right.split(" ");
  if (root === undefined || point === undefined) return undefined;
  const at = { root: unescaped(root), point: unescaped(point) };
  if (type === "cgroup2") return { version: 2, ...at };
  const isMemory = type === "cgroup" && options.split(",").includes("memory");
  return isMemory ? { version: 1, ...at } : undefined;
}

/** Space, tab, line end and backslash stand there as `\040` and the like. */
const unescaped = (path: string): string =>
  path.replaceAll(/\\([0-7]{3})/gu, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );

/** The directory of a cgroup in a mount; undefined when the mount's root is not it or above it. */
export function directoryIn(mount: CgroupMount, cgroup: Cgroup): string | undefined {
  if (mount.version !== cgroup.version) return undefined;
  const root = partsOf(mount.root);
  const path = partsOf(cgroup.path);
  const below = path.slice(root.length);
  if (root.some((part, index) => part !== path[index]) || below.includes("..")) return undefined;
  return [mount.point.replace(/\/$/u, ""), ...below].join("/") || "/";
}

const partsOf = (path: string): readonly string[] => path.split("/").filter((part) => part !== "");
