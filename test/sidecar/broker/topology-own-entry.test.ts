/** Brokers that are numbered otherwise than replicas, from 1 or from 101: none is judged by a neighbour's answers. */
import { expect, test } from "bun:test";
import { discover, type Given } from "../../../sidecar/broker/topology.ts";

const NOTHING: Given = {
  ...{ replicaCount: 1, kafkaPort: 9092, isPortGiven: false, brokerId: undefined },
  ...{ hostname: undefined, workload: undefined, location: undefined, gvc: undefined },
  ...{ gvcAlias: undefined, bootstrapServers: undefined, localBroker: undefined },
};
const PLATFORM = { workload: "kafka", location: "aws-us-west-2", gvc: "my-gvc" } as const;

const replicas = [0, 1, 2].map((n) => `replica-${n}.kafka.aws-us-west-2.my-gvc.cpln.local`);
const listed = { ...PLATFORM, bootstrapServers: replicas.map((host) => `${host}:33092`) };
const onOneMachine = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"];
const named = { workload: "kafka", bootstrapServers: ["b-0.x:7", "b-1.x:7", "b-2.x:7"] };
const fromOne = { hostname: "kafka-0", brokerId: 1 };
const high = { hostname: "kafka-1", brokerId: 101 };
test.each<[string, Partial<Given>, string, string | undefined]>([
  ["ids from 1", { ...listed, ...fromOne }, `${replicas[0]}:33092`, replicas[0]],
  ["ids from 101", { ...listed, ...high }, `${replicas[1]}:33092`, replicas[1]],
  ["with KAFKA_PORT", { ...listed, ...fromOne, isPortGiven: true }, "127.0.0.1:9092", replicas[0]],
  [
    "of another's host",
    { ...listed, hostname: "x-1", brokerId: 2 },
    `${replicas[2]}:33092`,
    replicas[2],
  ],
  [
    "one machine",
    { workload: "kafka", bootstrapServers: onOneMachine, ...fromOne },
    "127.0.0.1:1",
    undefined,
  ],
  ["one machine, 101", { bootstrapServers: onOneMachine, ...high }, "127.0.0.1:2", undefined],
  [
    "one machine, of another's name",
    { bootstrapServers: onOneMachine, hostname: "ci-7", brokerId: 1 },
    "127.0.0.1:2",
    undefined,
  ],
  ["both numbers named", { ...named, ...fromOne }, "127.0.0.1:9092", undefined],
  ["the replica's number named", { ...named, ...high }, "b-1.x:7", "b-1.x"],
])("discover() takes no neighbour's entry for its own: %s", (_what, given, local, replicaName) => {
  const own = [local, `${replicaName}:33092`, `${replicaName}:7`];
  const rest = (given.bootstrapServers ?? []).filter((server) => !own.includes(server));
  const [host = "", port] = local.split(":");
  expect(discover({ ...NOTHING, ...given })).toMatchObject({
    ok: true,
    value: { local: { host, port: Number(port) }, replicaName, others: rest },
  });
});
