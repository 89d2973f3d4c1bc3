import { beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { until } from "../condition.ts";
import { type BedProcess, startProcess } from "../process.ts";
import { BedUnavailable } from "../unavailable.ts";
import { boxCommand, boxFor, requireBox } from "./box.ts";

const LIMIT_MS = 20_000;
const box = boxCommand("network");
beforeAll(() => {
  if (box.length === 0)
    throw new BedUnavailable("boxes need root, unshare (util-linux), ip (iproute2)");
});

const inBox = (script: string): BedProcess =>
  startProcess({
    name: "box",
    command: [...box, "/bin/bash", "-c", script],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });

/** Processes, of whatever namespace, that have this text in their command line. */
const running = (text: string): readonly string[] =>
  readdirSync("/proc").filter((entry) => /^\d+$/u.test(entry) && commandOf(entry).includes(text));

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

test(
  "network.sh gives a network and processes of its own, and passes on the exit code",
  async () => {
    const child = inBox("ip -o link | wc -l; ls -d /proc/[0-9]* | wc -l; exit 7");
    expect((await child.exited).code).toBe(7);
    // Loopback alone; PID 1, the shell and its pipeline.
    const [links = 0, processes = 0] = child.stdout().trim().split("\n").map(Number);
    expect(links).toBe(1);
    expect(processes).toBeLessThan(10);
  },
  LIMIT_MS,
);

test.each(["SIGTERM", "SIGINT"] as const)(
  "network.sh passes %s on",
  async (signal) => {
    const name = signal.slice("SIG".length);
    const child = inBox(`trap 'echo got; exit 9' ${name}; echo ready; while :; do sleep 0.1; done`);
    await child.waitForOutput(/ready/u, LIMIT_MS);
    child.kill(signal);
    expect((await child.exited).code).toBe(9);
    expect(child.stdout()).toContain("got");
  },
  LIMIT_MS,
);

test.each(["SIGTERM", "SIGKILL"] as const)(
  "network.sh leaves neither process nor cgroup behind after %s",
  async (end) => {
    const seconds = String(500_000 + Math.floor(Math.random() * 100_000));
    const child = inBox(
      `for h in /sys/fs/cgroup /sys/fs/cgroup/*; do
         [ -e $h/cgroup.procs ] && mkdir -p $h/$OUTRIDER_BOX_CGROUP/inner 2>/dev/null
       done
       setsid sleep ${seconds} & echo ready $OUTRIDER_BOX_CGROUP; while :; do sleep 0.1; done`,
    );
    const [, cgroup = ""] = await child.waitForOutput(/ready (\S+)/u, LIMIT_MS);
    const cgroups = () =>
      ["", ...readdirSync("/sys/fs/cgroup")].filter((each) =>
        existsSync(`/sys/fs/cgroup/${each}/${cgroup}`),
      );
    await until("the process", () => running(`sleep\0${seconds}`).length > 0, {
      deadlineMs: LIMIT_MS,
    });
    child.kill(end);
    await child.exited;
    await until(
      "nothing to be left",
      () => {
        const left = [...running(`sleep\0${seconds}`), ...cgroups()];
        if (left.length > 0) throw new Error(left.join());
        return true;
      },
      { deadlineMs: LIMIT_MS },
    );
  },
  LIMIT_MS,
);

test.each([
  ["test/system/a-docker.test.ts", "network"],
  ["test/system/a-kubernetes.test.ts", "kubernetes"],
  ["test/system/docker.test.ts", undefined],
] as const)("boxFor() gives %s the box %s", (file, expected) => {
  expect(boxFor(file)).toBe(expected);
});

test("requireBox() says how to run a file outside its box", () => {
  expect(() => requireBox("kubernetes", import.meta.path)).toThrow(/bun run test test\/bed\/box/u);
});
