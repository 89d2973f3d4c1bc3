/** What a test cluster needs before and right after its first start: directories, and its SCRAM users. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Broker, createBroker } from "./broker.ts";
import { brokerProperties, type ClusterPlan, propertiesText, SCRAM_ITERATIONS } from "./config.ts";
import { format } from "./format.ts";
import type { KafkaTools } from "./tools.ts";

type NodeOptions = {
  readonly libs: string;
  readonly dir: string;
  readonly plan: ClusterPlan;
  readonly id: number;
  readonly clusterId: string;
  /** Java's own. */
  readonly flags: readonly string[];
};

/** Writes a node's settings, and in KRaft mode formats its directories. */
export async function prepareBroker({
  libs,
  dir,
  plan,
  id,
  clusterId,
  flags,
}: NodeOptions): Promise<Broker> {
  const own = join(dir, `broker-${id}`);
  const logDirs = [join(own, "data-0"), join(own, "data-1")];
  await mkdir(own);
  const config = join(own, "server.properties");
  await Bun.write(config, propertiesText(brokerProperties(plan, id, logDirs)));
  const ports = plan.nodes[id];
  if (ports === undefined) throw new Error(`no ports for broker ${id}`);
  if (plan.zookeeper === undefined) {
    await format({ libs, config, logDirs, id, ...formOf(plan, id) }, clusterId);
  }
  return createBroker({ id, libs, dir: own, host: plan.host, ports, logDirs, flags });
}

const formOf = ({ nodes, users }: ClusterPlan, id: number) => ({
  role: nodes[id]?.role ?? "both",
  users,
});

/** Kills the nodes of a KRaft cluster and makes a new, empty cluster in their directories; it is not started. */
export async function formatAgain(
  nodes: readonly Broker[],
  { libs, plan }: Pick<NodeOptions, "libs" | "plan">,
  clusterId: string,
): Promise<void> {
  await Promise.all(nodes.filter((each) => each.running).map((each) => each.kill("SIGKILL")));
  for (const { id, dir, logDirs } of nodes) {
    for (const logDir of logDirs) await rm(logDir, { recursive: true, force: true });
    const config = join(dir, "server.properties");
    await format({ libs, config, logDirs, id, ...formOf(plan, id) }, clusterId);
  }
}

/** With ZooKeeper the first broker makes the cluster's id. */
export async function clusterIdOf(broker: Broker): Promise<string> {
  const [first = ""] = broker.logDirs;
  const text = await Bun.file(join(first, "meta.properties")).text();
  const id = /^cluster\.id=(?<id>.+)$/mu.exec(text)?.groups?.["id"];
  if (id === undefined) throw new Error(`no cluster.id in ${first}/meta.properties:\n${text}`);
  return id.replaceAll("\\", "");
}

/** With ZooKeeper, SCRAM users are created when the brokers run. The tool accepts no bracket in a password. */
export async function addScramUsers(tools: KafkaTools, plan: ClusterPlan): Promise<void> {
  for (const { name, password, mechanism } of plan.users) {
    if (mechanism === "PLAIN") continue;
    const credential = `iterations=${SCRAM_ITERATIONS},password=${password}`;
    await tools.alterConfig("user", name, { [mechanism]: credential });
  }
}
