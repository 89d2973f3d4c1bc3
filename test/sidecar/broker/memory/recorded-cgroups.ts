/** What /proc/<pid>/cgroup and mountinfo say on systems of both versions, and what v1 writes for no limit. */

export const UNLIMITED_4K = "9223372036854771712";
export const UNLIMITED_64K = "9223372036854710272";
export const UNLIMITED_OLD = "9223372036854775807";

/** The unified hierarchy, as a container with a namespace of its own sees it. */
export const V2_MOUNT = (root: string) =>
  `30 25 0:26 ${root} /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n`;

/** Hybrid: v1's controllers, and a unified hierarchy without any. */
export const V1_MOUNTS = (root: string) =>
  [
    `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755`,
    `32 31 0:29 ${root} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct`,
    `35 31 0:32 ${root} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory`,
    `41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`,
  ].join("\n");

export const V1_CGROUPS = (path: string) =>
  `9:name=systemd:${path}\n4:cpu,cpuacct:${path}\n3:memory:${path}\n0::/system.slice/x\n`;
