/** The parts that read one file of the kernel each. */
import { describe, expect, test } from "bun:test";
import { limitOf, oomKillsOf, statOf } from "../../../../sidecar/broker/memory/cgroup-files.ts";
import {
  directoryIn,
  memoryCgroup,
  memoryMounts,
} from "../../../../sidecar/broker/memory/cgroup-path.ts";
import {
  UNLIMITED_4K,
  UNLIMITED_64K,
  UNLIMITED_OLD,
  V1_CGROUPS,
  V1_MOUNTS,
} from "./recorded-cgroups.ts";

describe("memoryCgroup()", () => {
  const rows = [
    [V1_CGROUPS("/a"), { version: 1, path: "/a" }],
    ["0::/b\n", { version: 2, path: "/b" }],
    ["5:memory,hugetlb:/c\n", { version: 1, path: "/c" }],
    ["0::/with:colon\n", { version: 2, path: "/with:colon" }],
    ["1:name=systemd:/\n", undefined],
    ["", undefined],
  ] as const;
  test.each(rows)("reads %j", (text, cgroup) => expect(memoryCgroup(text)).toEqual(cgroup));
});

describe("directoryIn()", () => {
  const rows = [
    ["/", "/", "/m"],
    ["/", "/a/b", "/m/a/b"],
    ["/a", "/a/b", "/m/b"],
    ["/a", "/ab", undefined],
    ["/a/b", "/a", undefined],
    ["/../x", "/../x", "/m"],
    ["/../x", "/../x/y", "/m/y"],
    ["/../x", "/../z", undefined],
    ["/", "/../x", undefined],
    ["/../..", "/a", undefined],
  ] as const;
  test.each(rows)("of a mount of %s, the cgroup %s is at %p", (root, path, directory) => {
    const mount = { version: 2, root, point: "/m" } as const;
    expect(directoryIn(mount, { version: 2, path })).toBe(directory);
  });
  test("asks for the same version", () => {
    expect(
      directoryIn({ version: 1, root: "/", point: "/m" }, { version: 2, path: "/" }),
    ).toBeUndefined();
  });
});

describe("memoryMounts()", () => {
  test("gives the memory controller's and the unified ones, last mounted first, unescaped", () => {
    const text = `${V1_MOUNTS("/")}50 49 0:9 / /mnt/a\\040b rw - cgroup2 none rw\nnonsense\n`;
    expect(memoryMounts(text)).toEqual([
      { version: 2, root: "/", point: "/mnt/a b" },
      { version: 2, root: "/", point: "/sys/fs/cgroup/unified" },
      { version: 1, root: "/", point: "/sys/fs/cgroup/memory" },
    ]);
  });
});

describe("limitOf()", () => {
  const rows = [
    ["max\n", undefined],
    [UNLIMITED_4K, undefined],
    [UNLIMITED_64K, undefined],
    [UNLIMITED_OLD, undefined],
    ["9223372036854709248", 2 ** 63 - 65 * 1024],
    ["0\n", 0],
    ["1073741824\n", 1_073_741_824],
    ["", undefined],
    ["-1", undefined],
  ] as const;
  test.each(rows)("reads %j", (text, limit) => expect(limitOf(text)).toBe(limit));
});

describe("statOf()", () => {
  test("counts children on v1, and gives nothing without a figure", () => {
    const text = "rss 1\ntotal_rss 2\ninactive_file 3\ntotal_inactive_file 4\n";
    const stat = { rssBytes: 2, inactiveFileBytes: 4, inheritedLimitBytes: undefined };
    expect(statOf(1, text)).toEqual(stat);
    expect(statOf(2, text)).toBeUndefined();
  });
});

describe("oomKillsOf()", () => {
  test("reads both versions' files", () => {
    expect(oomKillsOf("oom 3\noom_kill 2\noom_group_kill 1\n")).toBe(2);
    expect(oomKillsOf("oom_kill_disable 0\nunder_oom 0\n")).toBeUndefined();
  });
});
