/** docs/deploy/kafka-*.yaml say only what the sidecar understands, and hang together. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";
import { problemText } from "../../shared/config/table.ts";
import { parseDuration } from "../../shared/duration.ts";
import { BROKER_TABLE, readBrokerConfig } from "../../sidecar/broker/config.ts";
import { PROBE_PATHS } from "../../sidecar/broker/routes.ts";
import { fixedHost } from "../shared/config/fixed-host.ts";

const DEPLOY = join(import.meta.dir, "../../docs/deploy");
const CONTROLLED_SHUTDOWN_S = 60;
/** A sidecar that is killed answers again within it. */
const RESTART_S = 30;

const Env = v.array(v.looseObject({ name: v.string(), value: v.optional(v.string()) }));
const Probe = v.object({
  httpGet: v.object({ path: v.string(), port: v.union([v.number(), v.string()]) }),
  periodSeconds: v.optional(v.number(), 10),
  timeoutSeconds: v.optional(v.number(), 1),
  failureThreshold: v.optional(v.number(), 3),
});

async function parse(file: string): Promise<readonly unknown[]> {
  const parsed: unknown = Bun.YAML.parse(await Bun.file(join(DEPLOY, file)).text());
  return Array.isArray(parsed) ? parsed : [parsed];
}

const known = new Set(Object.values(BROKER_TABLE).map(({ about }) => about.name));

const Workload = v.object({
  kind: v.literal("workload"),
  name: v.string(),
  spec: v.object({
    type: v.literal("stateful"),
    containers: v.tuple([
      v.looseObject({ name: v.string(), readinessProbe: Probe, livenessProbe: Probe }),
      v.object({
        name: v.string(),
        image: v.string(),
        cpu: v.literal("100m"),
        memory: v.literal("128Mi"),
        ports: v.tuple([v.object({ number: v.number(), protocol: v.literal("http") })]),
        env: Env,
      }),
    ]),
  }),
});

/** What the platform adds. */
const PLATFORM = {
  HOSTNAME: "kafka-1",
  CPLN_WORKLOAD: "/org/o/gvc/my-gvc/workload/kafka",
  CPLN_LOCATION: "/org/o/location/aws-us-west-2",
  CPLN_GVC: "my-gvc",
} as const;

function configOf(env: v.InferOutput<typeof Env>, more: Readonly<Record<string, string>>) {
  const given = Object.fromEntries(env.map(({ name, value }) => [name, value]));
  const config = readBrokerConfig({ ...given, ...more }, fixedHost());
  if (!config.ok) throw new Error(config.error.map(problemText).join("\n"));
  return config.value;
}

describe.each(["kafka-workload.yaml", "kafka-workload-sasl.yaml"])("docs/deploy/%s", (file) => {
  const read = async () => v.parse(Workload, (await parse(file))[0]).spec.containers;

  test("is the original's form, with probes on the sidecar's port and paths", async () => {
    const [kafka, sidecar] = await read();
    expect(kafka.readinessProbe.httpGet).toEqual({ path: "/health/ready", port: 8080 });
    expect(kafka.livenessProbe.httpGet).toEqual({ path: "/health/live", port: 8080 });
    expect(sidecar.ports[0].number).toBe(8080);
    const { failureThreshold, periodSeconds } = kafka.livenessProbe;
    expect(failureThreshold * periodSeconds).toBeGreaterThan(RESTART_S);
  });

  test("gives the sidecar variables that it knows, and values that it takes", async () => {
    const [, { env }] = await read();
    expect(env.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
    const password = file.includes("sasl") ? { SASL_PASSWORD: "resolved" } : {};
    const { port, topology } = configOf(env, { ...PLATFORM, ...password });
    expect(port).toBe(8080);
    expect(topology.brokerId).toBe(1);
    expect(topology.others).toEqual([
      "replica-0.kafka.aws-us-west-2.my-gvc.cpln.local:9092",
      "replica-2.kafka.aws-us-west-2.my-gvc.cpln.local:9092",
    ]);
  });

  test("names in its comments only variables that there are", async () => {
    const text = await Bun.file(join(DEPLOY, file)).text();
    const named = [...text.matchAll(/^\s*# - name: (?<name>\w+)$/gmu)];
    expect(
      named.map(({ groups }) => groups?.["name"] ?? "").filter((name) => !known.has(name)),
    ).toEqual([]);
  });
});

describe("docs/deploy/kafka-statefulset.yaml", () => {
  const Container = v.looseObject({
    name: v.string(),
    env: Env,
    ports: v.array(v.object({ name: v.string(), containerPort: v.number() })),
  });
  const Sidecar = v.looseObject({
    ...Container.entries,
    args: v.tuple([v.literal("broker")]),
    restartPolicy: v.literal("Always"),
    startupProbe: Probe,
    livenessProbe: Probe,
    resources: v.object({
      requests: v.object({ cpu: v.literal("100m"), memory: v.literal("128Mi") }),
      limits: v.object({ cpu: v.literal("100m"), memory: v.literal("128Mi") }),
    }),
  });
  const Kafka = v.looseObject({
    ...Container.entries,
    startupProbe: Probe,
    livenessProbe: Probe,
    readinessProbe: Probe,
    lifecycle: v.object({ preStop: v.object({ httpGet: Probe.entries.httpGet }) }),
  });
  const Pod = v.looseObject({
    shareProcessNamespace: v.literal(true),
    enableServiceLinks: v.literal(false),
    terminationGracePeriodSeconds: v.number(),
    securityContext: v.looseObject({ runAsUser: v.number(), runAsGroup: v.number() }),
    initContainers: v.tuple([Sidecar]),
    containers: v.tuple([Kafka]),
  });
  const Labels = v.record(v.string(), v.string());
  const StatefulSet = v.looseObject({
    kind: v.literal("StatefulSet"),
    spec: v.looseObject({
      serviceName: v.string(),
      replicas: v.number(),
      podManagementPolicy: v.literal("Parallel"),
      template: v.object({ metadata: v.object({ labels: Labels }), spec: Pod }),
    }),
  });
  const Others = v.tuple([
    v.looseObject({
      kind: v.literal("Service"),
      metadata: v.looseObject({ name: v.string() }),
      spec: v.looseObject({
        clusterIP: v.literal("None"),
        publishNotReadyAddresses: v.literal(true),
        selector: Labels,
      }),
    }),
    v.looseObject({
      kind: v.literal("PodDisruptionBudget"),
      spec: v.object({ maxUnavailable: v.literal(1), selector: v.object({ matchLabels: Labels }) }),
    }),
    v.looseObject({ kind: v.literal("StatefulSet") }),
    v.looseObject({
      kind: v.literal("PodMonitor"),
      spec: v.object({
        selector: v.object({ matchLabels: Labels }),
        podMetricsEndpoints: v.tuple([
          v.looseObject({ port: v.string(), path: v.literal("/metrics") }),
        ]),
      }),
    }),
  ]);

  const read = async () => {
    const all = await parse("kafka-statefulset.yaml");
    const [service, budget, , monitor] = v.parse(Others, all);
    const { spec } = v.parse(StatefulSet, all[2]);
    const pod = spec.template.spec;
    return {
      service,
      budget,
      monitor,
      spec,
      pod,
      sidecar: pod.initContainers[0],
      kafka: pod.containers[0],
    };
  };

  test("asks the sidecar's port, by paths that there are", async () => {
    const { sidecar, kafka } = await read();
    const port = sidecar.ports[0]?.containerPort;
    const config = configOf(sidecar.env, { HOSTNAME: "kafka-1" });
    expect<unknown>(config.port).toBe(port);
    const probes = [kafka.startupProbe, kafka.livenessProbe, kafka.readinessProbe];
    const paths: readonly string[] = PROBE_PATHS;
    expect(
      probes.filter(({ httpGet }) => httpGet.port !== port || !paths.includes(httpGet.path)),
    ).toEqual([]);
    expect(kafka.lifecycle.preStop.httpGet.port).toBe(port ?? 0);
    // A probe of the sidecar that asks about Kafka would keep Kafka from being started.
    const own = [sidecar.startupProbe, sidecar.livenessProbe].map(({ httpGet }) => httpGet);
    expect(own).toEqual(Array(2).fill({ path: "/about", port: "health" }));
  });

  test("gives the sidecar variables that it knows, and the other brokers' names", async () => {
    const { spec, service, sidecar } = await read();
    expect(sidecar.env.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
    const { topology } = configOf(sidecar.env, { HOSTNAME: "kafka-1" });
    expect(topology).toMatchObject({ brokerId: 1, replicaName: "kafka-1.kafka" });
    expect(topology.others).toEqual(["kafka-0.kafka:9092", "kafka-2.kafka:9092"]);
    expect(topology.others).toHaveLength(spec.replicas - 1);
    expect(spec.serviceName).toBe(service.metadata.name);
  });

  test("gives the drain and Kafka's shutdown the time they may take", async () => {
    const { pod, kafka } = await read();
    const [path, query] = kafka.lifecycle.preStop.httpGet.path.split("?");
    expect(path).toBe("/drain");
    const drain = parseDuration(new URLSearchParams(query).get("timeout") ?? "");
    if (!drain.ok) throw new Error(drain.error);
    const leastS = drain.value / 1000 + CONTROLLED_SHUTDOWN_S;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(leastS);
  });

  test("lets the sidecar restart without Kafka's being restarted", async () => {
    const { kafka } = await read();
    const { failureThreshold, periodSeconds } = kafka.livenessProbe;
    expect(failureThreshold * periodSeconds).toBeGreaterThan(RESTART_S);
  });

  test("selects the same pods everywhere, and scrapes the port that there is", async () => {
    const { service, budget, monitor, spec, sidecar } = await read();
    const { labels } = spec.template.metadata;
    expect(service.spec.selector).toEqual(labels);
    expect(budget.spec.selector.matchLabels).toEqual(labels);
    expect(monitor.spec.selector.matchLabels).toEqual(labels);
    expect(sidecar.ports.map(({ name }) => name)).toContain(
      monitor.spec.podMetricsEndpoints[0].port,
    );
  });

  test("gives as many voters as there are replicas, each by its own name", async () => {
    const { spec, kafka } = await read();
    const set = (name: string) => kafka.env.find((each) => each.name === name)?.value;
    const voters = Array.from({ length: spec.replicas }, (_, id) => `${id}@kafka-${id}.kafka:9093`);
    expect(set("KAFKA_CONTROLLER_QUORUM_VOTERS")).toBe(voters.join(","));
    expect(Number(set("KAFKA_MIN_INSYNC_REPLICAS"))).toBeLessThan(
      Number(set("KAFKA_DEFAULT_REPLICATION_FACTOR")),
    );
  });
});
