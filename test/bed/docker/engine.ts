/** One Docker Engine from the machine's own packages, as two processes in a box: containerd and dockerd. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { until } from "../condition.ts";
import { killGroup, signalProcess, spawnReaped } from "../reaper.ts";

const READY_MS = 60_000;
/** dockerd first gives every container its own grace period. */
const GRACE_MS = 40_000;
const PING_MS = 2000;
const END_MS = 20_000;
const TAIL_LINES = 40;
const CGROUPS = "/sys/fs/cgroup";

export type Engine = {
  readonly socket: string;
  /** Starts what is not running, and waits until the engine answers. */
  readonly start: () => Promise<void>;
  /** As a service manager does: dockerd stops every container, then ends. */
  readonly stop: () => Promise<void>;
  /** Kills only dockerd; its containers keep running until it starts again. */
  readonly kill: () => Promise<void>;
  /** Sends a signal to dockerd: SIGSTOP makes it hang. */
  readonly signal: (name: "SIGSTOP" | "SIGCONT") => void;
  /** Ends both, and every process in the cgroup. */
  readonly end: () => Promise<void>;
  readonly logTail: (lines?: number) => Promise<string>;
};

export type EngineOptions = {
  /** Where all its files are; short, because socket paths must be. */
  readonly dir: string;
  /** Below each hierarchy's root; containers are put below it. */
  readonly cgroup: string;
  /** More arguments for dockerd. */
  readonly flags: readonly string[];
};

type Child = Subprocess<"pipe", number, number>;

export function createEngine({ dir, cgroup, flags }: EngineOptions): Engine {
  const socket = join(dir, "docker.sock");
  const logPath = join(dir, "engine.log");
  mkdirSync(join(dir, "data"), { recursive: true });
  let containerd: Child | undefined;
  let dockerd: Child | undefined;
  const endDockerd = async () => {
    if (dockerd === undefined) return;
    killGroup(dockerd.pid);
    await dockerd.exited;
  };
  const logTail = (lines = TAIL_LINES) => tailOf(logPath, lines);
  return {
    socket,
    start: async () => {
      if (containerd === undefined || !isRunning(containerd)) {
        await Bun.write(join(dir, "containerd.toml"), containerdConfig(dir));
        containerd = spawnLogged(containerdCommand(dir), logPath);
      }
      if (dockerd !== undefined && isRunning(dockerd)) return;
      const child = spawnLogged(dockerdCommand({ dir, cgroup, flags }), logPath);
      dockerd = child;
      const ready = async () => !isRunning(child) || (await answers(socket));
      await until("dockerd to answer", ready, { deadlineMs: READY_MS }).catch(
        async (cause: unknown) => {
          throw new Error(`${String(cause)}; its log:\n${await logTail()}`);
        },
      );
      if (isRunning(child)) return;
      throw new Error(`dockerd ended with ${child.exitCode}; its log:\n${await logTail()}`);
    },
    stop: async () => {
      if (dockerd === undefined || !isRunning(dockerd)) return;
      signalProcess(dockerd.pid, "SIGTERM");
      await Promise.race([dockerd.exited, Bun.sleep(GRACE_MS)]);
      await endDockerd();
    },
    kill: endDockerd,
    signal: (name) => {
      if (dockerd !== undefined) signalProcess(dockerd.pid, name);
    },
    end: async () => {
      await endDockerd();
      if (containerd !== undefined) {
        killGroup(containerd.pid);
        await containerd.exited;
      }
      await endCgroup(cgroup);
    },
    logTail,
  };
}

const containerdCommand = (dir: string): readonly string[] => [
  "containerd",
  "--config",
  join(dir, "containerd.toml"),
];

const containerdConfig = (dir: string): string => `version = 2
root = "${dir}/data/containerd"
state = "${dir}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${dir}/containerd.sock"
`;

const dockerdCommand = ({ dir, cgroup, flags }: EngineOptions): readonly string[] => [
  "dockerd",
  ...["--containerd", join(dir, "containerd.sock")],
  ...["--host", `unix://${dir}/docker.sock`],
  ...["--data-root", join(dir, "data/docker"), "--exec-root", join(dir, "exec")],
  ...["--pidfile", join(dir, "dockerd.pid")],
  ...["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${cgroup}`],
  ...flags,
];

function spawnLogged(command: readonly string[], logPath: string): Child {
  const log = openSync(logPath, "a");
  try {
    const child = spawnReaped({ name: command[0] ?? "", command, output: log });
    void child.stdin.end();
    return child;
  } finally {
    closeSync(log);
  }
}

const isRunning = (child: Child): boolean => child.exitCode === null && child.signalCode === null;

async function answers(socket: string): Promise<boolean> {
  const signal = AbortSignal.timeout(PING_MS);
  return (await fetch("http://engine/_ping", { unix: socket, signal })).ok;
}

/** Processes that the shims keep alive; they are not our children. */
async function endCgroup(cgroup: string): Promise<void> {
  await until(
    "no process of a container to be left",
    () => {
      const pids = pidsBelow(cgroup);
      for (const pid of pids) signalProcess(pid, "SIGKILL");
      return pids.length === 0;
    },
    { deadlineMs: END_MS },
  );
}

function pidsBelow(cgroup: string): readonly number[] {
  const tops = [CGROUPS, ...readdirSync(CGROUPS).map((entry) => join(CGROUPS, entry))];
  const files = tops.flatMap((top) => {
    try {
      const inner = readdirSync(join(top, cgroup), { recursive: true, encoding: "utf8" });
      return inner
        .filter((path) => path.endsWith("cgroup.procs"))
        .map((path) => join(top, cgroup, path));
    } catch {
      return [];
    }
  });
  return [...new Set(files.flatMap(pidsIn))];
}

function pidsIn(file: string): readonly number[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function tailOf(path: string, lines: number): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "(no log)");
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}
