/** Which broker this is and where the others are, rule by rule as in the original. */
import { describe, expect, test } from "bun:test";
import {
  discover,
  type Given,
  locationOf,
  ordinalOf,
  workloadOf,
} from "../../../sidecar/broker/topology.ts";

const NOTHING: Given = {
  replicaCount: 1,
  kafkaPort: 9092,
  isPortGiven: false,
  brokerId: undefined,
  hostname: "kafka-2",
  workload: undefined,
  location: undefined,
  gvc: undefined,
  gvcAlias: undefined,
  bootstrapServers: undefined,
  localBroker: undefined,
};
const PLATFORM = { workload: "kafka", location: "aws-us-west-2", gvc: "my-gvc" } as const;

function found(given: Partial<Given>) {
  const topology = discover({ ...NOTHING, ...given });
  if (!topology.ok) throw new Error(topology.error.message);
  return topology.value;
}

describe("ordinalOf()", () => {
  const rows: readonly [string | undefined, number | undefined][] = [
    ["kafka-2", 2],
    ["my-kafka-0", 0],
    ["kafka-12", 12],
    ["kafka-2.kafka.ns.svc.cluster.local", 2],
    ["kafka.ns-3", undefined],
    ["kafka-007", 7],
    ["kafka-2147483647", 2_147_483_647],
    ["kafka-2147483648", undefined],
    ["kafka", undefined],
    ["kafka2", undefined],
    ["kafka-2a", undefined],
    ["kafka-", undefined],
    ["-3", 3],
    [undefined, undefined],
  ];
  test.each(rows)("of %p is %p", (hostname, id) => expect(ordinalOf(hostname)).toBe(id));
});

describe("workloadOf()", () => {
  test.each([
    ["/org/o/gvc/g/workload/kafka", "kafka"],
    ["/org/workload/gvc/g/workload/kafka", "kafka"],
    ["/org/o/gvc/g/workload/kafka/", "kafka"],
    ["kafka", "kafka"],
  ])("of %s is %s", (link, name) => expect(workloadOf(link)).toBe(name));
});

describe("locationOf()", () => {
  test.each([
    ["/org/o/location/aws-us-west-2", "aws-us-west-2"],
    ["//cpln/org/o/location/gcp-us-east1", "gcp-us-east1"],
    ["aws-us-west-2", "aws-us-west-2"],
  ])("of %s is %s", (link, name) => expect(locationOf(link)).toBe(name));
});

describe("discover()", () => {
  test("takes the broker id from the host name, and BROKER_ID before it", () => {
    expect(found({}).brokerId).toBe(2);
    expect(found({ brokerId: 7 }).brokerId).toBe(7);
    expect(found({ brokerId: 0, hostname: undefined }).brokerId).toBe(0);
  });

  test.each([undefined, "kafka"])("needs a broker id: the host name %p has none", (hostname) => {
    const topology = discover({ ...NOTHING, hostname });
    expect(topology.ok ? undefined : topology.error.name).toBe("BROKER_ID");
    expect(topology.ok ? "" : topology.error.message).toContain("as in kafka-2");
  });

  test("asks the local broker by loopback, or by LOCAL_BROKER", () => {
    expect(found({ kafkaPort: 9094 }).local).toEqual({ host: "127.0.0.1", port: 9094 });
  });
  test.each<[string, Partial<Given>, string]>([
    [
      "the only entry, on this machine",
      { bootstrapServers: ["127.0.0.1:33092"] },
      "127.0.0.1:33092",
    ],
    [
      "the one on this machine",
      { bootstrapServers: ["a:1", "localhost:33092"] },
      "localhost:33092",
    ],
    ["IPv6", { bootstrapServers: ["[::1]:33092"] }, "::1:33092"],
    [
      "the entry of our number where all are on this machine",
      { bootstrapServers: ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"] },
      "127.0.0.1:3",
    ],
    [
      "none where there are fewer",
      { bootstrapServers: ["127.0.0.1:1", "127.0.0.1:2"] },
      "127.0.0.1:9092",
    ],
    ["our name's", { bootstrapServers: ["kafka-1.k:7", "kafka-2.k:8"] }, "kafka-2.k:8"],
    [
      "the built name's",
      {
        ...PLATFORM,
        bootstrapServers: ["replica-2.kafka.aws-us-west-2.my-gvc.cpln.local:8", "b:1"],
      },
      "replica-2.kafka.aws-us-west-2.my-gvc.cpln.local:8",
    ],
    ["not that of a name for all", { bootstrapServers: ["kafka:33092"] }, "127.0.0.1:9092"],
    [
      "not with KAFKA_PORT",
      { bootstrapServers: ["kafka-2.k:8"], isPortGiven: true },
      "127.0.0.1:9092",
    ],
  ])("is by BOOTSTRAP_SERVERS %s", (_name, given, want) => {
    const { host, port } = found(given).local;
    expect(`${host}:${port}`).toBe(want);
    const localBroker = { host: "10.0.0.1", port: 1 };
    expect(found({ localBroker }).local).toEqual(localBroker);
  });

  test("builds the names of the other replicas", () => {
    expect(found({ ...PLATFORM, replicaCount: 3, kafkaPort: 9093 })).toMatchObject({
      replicaName: "replica-2.kafka.aws-us-west-2.my-gvc.cpln.local",
      others: [
        "replica-0.kafka.aws-us-west-2.my-gvc.cpln.local:9093",
        "replica-1.kafka.aws-us-west-2.my-gvc.cpln.local:9093",
      ],
      how: "REPLICA_COUNT=3 as replica-{i}.kafka.aws-us-west-2.my-gvc.cpln.local:9093",
    });
  });

  const apart: readonly [string, number | undefined, number, string][] = [
    ["kafka-1", undefined, 1, "kafka-1"],
    ["kafka-1", 101, 101, "kafka-1"],
    ["kafka-1.kafka.ns.svc", 101, 101, "kafka-1"],
    ["kafka-1", 0, 0, "kafka-1"],
    ["pod-1", 101, 101, "kafka-1"],
    ["host-9", 2, 2, "kafka-2"],
    ["host", 2, 2, "kafka-2"],
  ];
  test.each(apart)("HOSTNAME=%s, BROKER_ID=%p: broker %p, replica %s", (...row) => {
    const [hostname, brokerId, id, label] = row;
    const given = { hostname, brokerId, workload: "kafka", gvcAlias: "ns", replicaCount: 3 };
    const topology = found(given);
    expect(topology.brokerId).toBe(id);
    const replicaName = `${label}.kafka.ns.svc.cluster.local`;
    expect(topology.replicaName).toBe(replicaName);
    expect(topology.others).toHaveLength(2);
    expect(topology.others).not.toContain(`${replicaName}:9092`);
  });

  test("leaves this one out of them, also when it is beyond their number", () => {
    expect(found({ ...PLATFORM, replicaCount: 1, hostname: "kafka-0" }).others).toEqual([]);
    expect(found({ ...PLATFORM, replicaCount: 1 }).others).toHaveLength(1);
  });

  test("builds headless names when GVC_ALIAS is given", () => {
    const headless = found({ ...PLATFORM, gvcAlias: "ns", replicaCount: 3 });
    expect(headless.replicaName).toBe("kafka-2.kafka.ns.svc.cluster.local");
    expect(headless.others).toEqual([
      "kafka-0.kafka.ns.svc.cluster.local:9092",
      "kafka-1.kafka.ns.svc.cluster.local:9092",
    ]);
    const { workload } = PLATFORM;
    expect(found({ workload, gvcAlias: "ns" }).replicaName).toBe(headless.replicaName ?? "");
  });

  const missing: readonly [Partial<Given>, string][] = [
    [{}, "CPLN_WORKLOAD, CPLN_LOCATION, CPLN_GVC are not set"],
    [{ ...PLATFORM, gvc: undefined }, "CPLN_GVC is not set"],
    [{ ...PLATFORM, location: undefined }, "CPLN_LOCATION is not set"],
    [{ gvcAlias: "ns" }, "CPLN_WORKLOAD is not set"],
  ];
  test.each(missing)("asks the local broker alone and says why: %p", (given, why) => {
    const alone = found({ ...given, replicaCount: 3 });
    expect(alone.others).toEqual([]);
    expect(alone.replicaName).toBeUndefined();
    expect(alone.how).toBe(`only LOCAL_BROKER is asked: ${why}, nor BOOTSTRAP_SERVERS`);
  });

  const lists: readonly [string, Partial<Given>, string | undefined, readonly string[]][] = [
    [
      "a StatefulSet's names",
      { bootstrapServers: ["kafka-1.kafka.ns.svc:9092", "kafka-2.kafka.ns.svc:9092"] },
      "kafka-2.kafka.ns.svc",
      ["kafka-1.kafka.ns.svc:9092"],
    ],
    [
      "the name of a fully qualified host, whose broker is numbered otherwise",
      {
        ...{ hostname: "kafka-1.kafka.ns.svc", brokerId: 101 },
        bootstrapServers: ["kafka-0.kafka.ns.svc:1", "kafka-1.kafka.ns.svc:1"],
      },
      "kafka-1.kafka.ns.svc",
      ["kafka-0.kafka.ns.svc:1"],
    ],
    [
      "names that end with the id, other than the host's",
      { bootstrapServers: ["b-1.x:1", "b-2.x:1"], hostname: "pod-9", brokerId: 2 },
      "b-2.x",
      ["b-1.x:1"],
    ],
    [
      "two names with the same id: neither is taken for our own",
      { bootstrapServers: ["a-2.x:1", "b-2.x:1"], hostname: "pod-2" },
      undefined,
      ["a-2.x:1", "b-2.x:1"],
    ],
    [
      "addresses, which say nothing",
      { bootstrapServers: ["10.0.0.1:9092", "10.0.0.2:9092"] },
      undefined,
      ["10.0.0.1:9092", "10.0.0.2:9092"],
    ],
    [
      "the address that the local broker is asked by, and one twice",
      {
        localBroker: { host: "10.0.0.2", port: 9092 },
        bootstrapServers: ["10.0.0.1:9092", "10.0.0.2:9092", "10.0.0.1:9092"],
      },
      undefined,
      ["10.0.0.1:9092"],
    ],
    [
      "the platform's own name, which is known",
      {
        ...PLATFORM,
        bootstrapServers: ["replica-2.kafka.aws-us-west-2.my-gvc.cpln.local:1", "o:1"],
      },
      "replica-2.kafka.aws-us-west-2.my-gvc.cpln.local",
      ["o:1"],
    ],
    [
      "a StatefulSet's names, where the platform's own name is known as well",
      { ...PLATFORM, bootstrapServers: ["kafka-1.kafka.ns.svc:1", "kafka-2.kafka.ns.svc:1"] },
      "kafka-2.kafka.ns.svc",
      ["kafka-1.kafka.ns.svc:1"],
    ],
    [
      "both names of this one, of which neither is another's",
      {
        ...PLATFORM,
        bootstrapServers: ["kafka-2.x:1", "replica-2.kafka.aws-us-west-2.my-gvc.cpln.local:1"],
      },
      "kafka-2.x",
      [],
    ],
  ];
  test.each(lists)("BOOTSTRAP_SERVERS with %s", (_what, given, replicaName, others) => {
    expect(found({ replicaCount: 9, ...given })).toMatchObject({
      others,
      how: "BOOTSTRAP_SERVERS",
    });
    expect(found(given).replicaName).toBe(replicaName);
    const isRecognised = others.length < new Set(given.bootstrapServers).size;
    expect(found(given).isSelfAmong).toBe(!isRecognised);
  });
});
