/** Which nodes a cluster has, and free ports for each of their listeners. */
import { freePort } from "../port.ts";
import type { ListenerName, NodePorts } from "./config.ts";
import type { KafkaMode } from "./version.ts";

type Wanted = {
  readonly mode: KafkaMode;
  readonly brokers?: number;
  /** Controller-only nodes; the brokers are then broker-only. */
  readonly controllers?: number;
  readonly listeners: readonly ListenerName[];
  readonly host: string;
};

/** By node id: brokers first. */
export async function choosePorts({
  mode,
  brokers = 1,
  controllers: wanted = 0,
  listeners,
  host,
}: Wanted): Promise<readonly NodePorts[]> {
  const controllers = mode === "zookeeper" ? 0 : wanted;
  const nodes: NodePorts[] = [];
  while (nodes.length < brokers) {
    const ports: Partial<Record<ListenerName, number>> = {};
    for (const listener of listeners) ports[listener] = await freePort(host);
    const role = controllers === 0 ? {} : ({ role: "broker" } as const);
    nodes.push({ ...ports, ...role, controller: await freePort(host) });
  }
  while (nodes.length < brokers + controllers) {
    nodes.push({ role: "controller", controller: await freePort(host) });
  }
  return nodes;
}
