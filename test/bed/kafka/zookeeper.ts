/** One ZooKeeper for a test Kafka that keeps its metadata there, in the version that is in that Kafka's jars. */
import { closeSync, openSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../condition.ts";
import { accepts, freePort } from "../port.ts";
import { killGroup, spawnReaped } from "../reaper.ts";
import { PortTaken } from "./broker.ts";
import { sharedClasses } from "./class-archive.ts";
import { propertiesText } from "./config.ts";

const SERVER = "org.apache.zookeeper.server.ZooKeeperServerMain";
const FLAGS = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] as const;
const READY_MS = 30_000;
/** Sessions last at least two of these; Kafka's are some seconds. */
const TICK_MS = "500";

export type ZooKeeper = {
  /** `host:port` */
  readonly address: string;
  readonly stop: () => Promise<void>;
};

/** @throws PortTaken when it could not bind its port. */
export async function startZooKeeper(libs: string, dir: string, host: string): Promise<ZooKeeper> {
  const home = join(dir, "zookeeper");
  await mkdir(home);
  const port = await freePort(host);
  const config = join(home, "zoo.cfg");
  const logPath = join(home, "server.log");
  await Bun.write(
    config,
    propertiesText({
      tickTime: TICK_MS,
      dataDir: join(home, "data"),
      clientPortAddress: host,
      clientPort: String(port),
      maxClientCnxns: "0",
      "admin.enableServer": "false",
    }),
  );
  const log = openSync(logPath, "a");
  const child = spawnReaped({
    name: "zookeeper",
    command: ["java", ...FLAGS, ...sharedClasses(libs), "-cp", `${libs}/*`, SERVER, config],
    cwd: home,
    output: log,
  });
  closeSync(log);
  void child.stdin.end();
  const stop = async () => {
    killGroup(child.pid);
    await child.exited;
  };
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const serves = await until("ZooKeeper to serve", async () => ended() || accepts(port, host), {
    deadlineMs: READY_MS,
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  if (serves && !ended()) return { address: `${host}:${port}`, stop };
  const text = await Bun.file(logPath).text();
  const Failure = /BindException/.test(text) ? PortTaken : Error;
  throw new Failure(`ZooKeeper ended with ${child.exitCode}; its log:\n${text.slice(-4000)}`);
}
