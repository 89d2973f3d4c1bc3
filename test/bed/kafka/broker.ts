/** One Kafka broker: a Java process that tests stop, kill and start again. */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { parseStat } from "../../../shared/linux/proc-stat.ts";
import { until } from "../condition.ts";
import { accepts } from "../port.ts";
import { killGroup, signalProcess, spawnReaped } from "../reaper.ts";
import type { ListenerName, NodePorts } from "./config.ts";

const FLAGS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] as const;
const READY_MS = 60_000;
const GRACE_MS = 20_000;
/** In KRaft mode, and with ZooKeeper. */
const STARTED = /Kafka Server started|\[KafkaServer id=\d+\] started/;
/** A killed broker stays registered in ZooKeeper until its old session is over. */
const REGISTERED = /NodeExistsException/;
const PORT_TAKEN = /Address already in use|BindException/;
const TAIL_LINES = 40;

const STOP = { deadlineMs: 10_000, intervalMs: 2 } as const;

/** Until each thread has taken the signal: on a busy machine one may answer another request before. */
const standsStill = (pid: number): Promise<boolean> =>
  until(
    `process ${pid} to stand still`,
    () => {
      const stats = readdirSync(`/proc/${pid}/task`).map((thread) =>
        parseStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8")),
      );
      return stats.every((stat) => stat?.stopped === true || stat?.alive === false);
    },
    STOP,
  );

export type Broker = {
  readonly id: number;
  /** Java's pid, of the last start. */
  readonly pid: number;
  /** Address of the PLAINTEXT listener; for a controller-only node, its only one. */
  readonly port: number;
  readonly portOf: (listener: ListenerName) => number;
  readonly dir: string;
  readonly logPath: string;
  readonly logDirs: readonly string[];
  readonly running: boolean;
  /** Sends the signal; after SIGKILL it waits for the end. */
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
  /** A controlled shutdown: SIGTERM, then SIGKILL after 20 s. */
  readonly stop: () => Promise<void>;
  /** Starts it on the same ports and directories, and waits until it serves. */
  readonly start: () => Promise<void>;
  readonly logTail: (lines?: number) => Promise<string>;
};

export type BrokerOptions = {
  readonly id: number;
  readonly libs: string;
  readonly dir: string;
  readonly host: string;
  readonly ports: NodePorts;
  readonly logDirs: readonly string[];
  /** Java's own. */
  readonly flags: readonly string[];
};

type Ended = { readonly code: number | null; readonly log: string };

/** Another program took a port between choosing and binding it: choose others. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
}

/** Describes a broker with its `server.properties` in `dir` and formatted directories. */
export function createBroker({
  id,
  libs,
  dir,
  host,
  ports,
  logDirs,
  flags,
}: BrokerOptions): Broker {
  const logPath = join(dir, "server.log");
  let child: Subprocess<"pipe", number, number> | undefined;
  const portOf = (listener: ListenerName) => {
    const port = ports[listener];
    if (port === undefined) throw new Error(`broker ${id} has no listener ${listener}`);
    return port;
  };
  const current = () => {
    if (child === undefined) throw new Error(`broker ${id} was never started`);
    return child;
  };
  const mainPort = ports.role === "controller" ? ports.controller : portOf("PLAINTEXT");
  const logTail = (lines = TAIL_LINES) => tailOf(logPath, lines);
  const kill = async (signal: NodeJS.Signals) => {
    signalProcess(current().pid, signal);
    if (signal === "SIGKILL") await current().exited;
    if (signal === "SIGSTOP") await standsStill(current().pid);
  };
  const startOnce = async (deadlineMs: number): Promise<Ended | undefined> => {
    const seen = Bun.file(logPath).size;
    const own = spawnJava({ id, logPath, dir, flags, libs });
    child = own;
    const ended = await until(
      `broker ${id} to serve`,
      async () => {
        const log = await Bun.file(logPath).slice(seen).text();
        if (!isRunning(own)) return { code: own.exitCode, log };
        return STARTED.test(log) && (await accepts(mainPort, host)) && "serves";
      },
      { deadlineMs },
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; its log:\n${await logTail()}`, { cause: error });
    });
    return ended === "serves" ? undefined : ended;
  };
  const start = async () => {
    if (child !== undefined && isRunning(child)) throw new Error(`broker ${id} runs already`);
    const endsAt = performance.now() + READY_MS;
    for (;;) {
      const ended = await startOnce(endsAt - performance.now());
      if (ended === undefined) return;
      if (REGISTERED.test(ended.log)) continue;
      const Failure = PORT_TAKEN.test(ended.log) ? PortTaken : Error;
      throw new Failure(`broker ${id} ended with ${ended.code}; its log:\n${await logTail()}`);
    }
  };
  const stop = async () => {
    const own = current();
    if (!isRunning(own)) return;
    signalProcess(own.pid, "SIGTERM");
    signalProcess(own.pid, "SIGCONT");
    await Promise.race([own.exited, Bun.sleep(GRACE_MS)]);
    killGroup(own.pid);
    await own.exited;
  };
  return {
    id,
    get pid() {
      return current().pid;
    },
    port: mainPort,
    portOf,
    dir,
    logPath,
    logDirs,
    get running() {
      return child !== undefined && isRunning(child);
    },
    kill,
    stop,
    start,
    logTail,
  };
}

function isRunning(child: Subprocess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function spawnJava({
  id,
  logPath,
  dir,
  flags,
  libs,
}: {
  readonly id: number;
  readonly logPath: string;
  readonly dir: string;
  readonly flags: readonly string[];
  readonly libs: string;
}): Subprocess<"pipe", number, number> {
  const log = openSync(logPath, "a");
  try {
    const child = spawnReaped({
      name: `kafka-${id}`,
      command: [
        "java",
        ...FLAGS,
        ...flags,
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
        "-cp",
        `${libs}/*`,
        "kafka.Kafka",
        join(dir, "server.properties"),
      ],
      cwd: dir,
      output: log,
    });
    void child.stdin.end();
    return child;
  } finally {
    closeSync(log);
  }
}

async function tailOf(path: string, lines: number): Promise<string> {
  const file = Bun.file(path);
  if (!(await file.exists())) return "(no log)";
  return (await file.text()).trimEnd().split("\n").slice(-lines).join("\n");
}
