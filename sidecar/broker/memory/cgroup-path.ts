/**
 * Where a process's memory is counted: in which cgroup of which hierarchy (cgroups(7)), and in which
 * directory a mount shows that (proc(5), mountinfo). Pure.
 *
 * The kernel gives both paths, that of the process and that of a mount's root, relative to the reader's
 * cgroup namespace, even for processes and mounts of other containers: `/../<other container>` in both. So
 * they can be compared, whether we run in a sidecar, on the host, or with the host's mount.
 */

export type CgroupVersion = 1 | 2;

export type Cgroup = { readonly version: CgroupVersion; readonly path: string };

export type CgroupMount = {
  readonly version: CgroupVersion;
  /** The cgroup at its root. */
  readonly root: string;
  /** Its path, in the mount namespace that was read. */
  readonly point: string;
};

/**
 * The cgroup that counts a process's memory, from /proc/<pid>/cgroup. A hybrid system has a unified
 * hierarchy, too, but without controllers: the memory controller is in one hierarchy only, and a line names
 * it.
 */
export function memoryCgroup(text: string): Cgroup | undefined {
  const lines = text.split("\n").map((line) => /^(\d+):([^:]*):(\/.*)$/u.exec(line));
  const v1 = lines.find((line) => line?.[2]?.split(",").includes("memory"))?.[3];
  if (v1 !== undefined) return { version: 1, path: v1 };
  const v2 = lines.find((line) => line?.[1] === "0" && line[2] === "")?.[3];
  return v2 === undefined ? undefined : { version: 2, path: v2 };
}

/** The mounts that can show memory, from /proc/<pid>/mountinfo; the last one mounted comes first. */
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

/** Space, tab, newline and backslash are escaped there, such as `\040`. */
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
