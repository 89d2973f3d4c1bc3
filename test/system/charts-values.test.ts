/** Values that the charts refuse before anything is installed, and those of the control plane's chart. */
import { describe, expect, test } from "bun:test";
import { openHost } from "../../shared/config/host.ts";
import { readControlPlaneConfig } from "../../sidecar/control-plane/config.ts";
import {
  CLUSTER_RULES,
  WORKER_RULES,
} from "../../sidecar/control-plane/runtime/kubernetes/permissions.ts";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import {
  chartPath,
  environmentOf,
  named,
  parseManifests,
  podOf,
  refusal,
  render,
  type Values,
} from "./manifest.ts";

const LIMIT_MS = 60_000;
const AGENT_CHART = chartPath("agent");
const SIDECAR_CHART = chartPath("sidecar");

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the charts' values: ${missing}\n`);

const agent = (kafka: Values = {}, more: Values = {}): Values => ({
  client: { id: "af-10", kafka },
  ...more,
});

const refused: readonly (readonly [string, string, Values, string])[] = [
  ["no client.id", AGENT_CHART, {}, "client.id"],
  ["a client.id that is none", AGENT_CHART, { client: { id: "_10" } }, "client.id"],
  ["a client.id of 201", AGENT_CHART, { client: { id: "a".repeat(201) } }, "client.id"],
  ["a name that is misspelt", AGENT_CHART, agent({}, { hook: {} }), "hook"],
  ["no brokers", AGENT_CHART, agent({ brokers: "" }), "brokers"],
  ["brokers with a blank", AGENT_CHART, agent({ brokers: "a:1 b:2" }), "brokers"],
  ["an unknown mechanism", AGENT_CHART, agent({ sasl: { mechanism: "GSSAPI" } }), "mechanism"],
  ["SASL without a user", AGENT_CHART, agent({ sasl: { enabled: true } }), "username"],
  [
    "SASL without a password",
    AGENT_CHART,
    agent({ sasl: { enabled: true, username: "edge" } }),
    "password",
  ],
  [
    "a certificate without its key",
    AGENT_CHART,
    agent({ tls: { enabled: true, certificate: "PEM" } }),
    "client.kafka.tls.key",
  ],
  [
    "a bare number of seconds",
    AGENT_CHART,
    agent({}, { heartbeat: { interval: "30" } }),
    "interval",
  ],
  [
    "seconds as text",
    AGENT_CHART,
    agent({}, { hooks: { timeoutSeconds: "60s" } }),
    "timeoutSeconds",
  ],
  [
    "an unknown onFailure",
    AGENT_CHART,
    agent({}, { hooks: { deregister: { onFailure: "retry" } } }),
    "onFailure",
  ],
  ["the tag latest", AGENT_CHART, agent({}, { image: { tag: "latest" } }), "tag"],
  ["a digest that is none", AGENT_CHART, agent({}, { image: { digest: "sha256:1" } }), "digest"],
  ["an unknown runtime", SIDECAR_CHART, { runtime: "process" }, "runtime"],
  [
    "a beat in less than a second",
    AGENT_CHART,
    agent({}, { heartbeat: { interval: "500ms" } }),
    "interval",
  ],
  ["docker without a host", SIDECAR_CHART, { runtime: "docker" }, "docker.host"],
  [
    "an engine without TLS",
    SIDECAR_CHART,
    { runtime: "docker", docker: { host: "tcp://engine:2376" } },
    "docker.tls.existingSecret",
  ],
  [
    "a Secret of the cluster for an engine's workers",
    SIDECAR_CHART,
    {
      ...{ runtime: "docker", docker: { host: "tcp://engine:2375", plain: true } },
      workers: { existingSecret: "own" },
    },
    "workers.existingSecret",
  ],
  ["no control plane", SIDECAR_CHART, { controlPlane: { replicas: 0 } }, "replicas"],
  [
    "workers of any version",
    SIDECAR_CHART,
    { workers: { image: "worker:latest" } },
    "workers.image",
  ],
  [
    "a pod template for an engine's workers",
    SIDECAR_CHART,
    {
      ...{ runtime: "docker", docker: { host: "tcp://engine:2375", plain: true } },
      workers: { podTemplate: { spec: { nodeSelector: { a: "b" } } } },
    },
    "workers.podTemplate",
  ],
  [
    "labels of containers for Jobs",
    SIDECAR_CHART,
    { workers: { labels: { a: "b" } } },
    "workers.podTemplate",
  ],
  [
    "variables beside a Secret that is all",
    SIDECAR_CHART,
    { workers: { existingSecret: "own", env: { a: "b" } } },
    "workers.existingSecret",
  ],
  [
    "variables twice",
    SIDECAR_CHART,
    { workers: { existingEnvSecret: "own", env: { a: "b" } } },
    "workers.existingEnvSecret",
  ],
  [
    "a variable of two lines",
    SIDECAR_CHART,
    { workers: { env: { A: "b\nCLIENT_ID=c" } } },
    "workers",
  ],
  [
    "a pod template with a name",
    SIDECAR_CHART,
    { workers: { podTemplate: { metadata: { name: "x" } } } },
    "name",
  ],
  ["memory in words", SIDECAR_CHART, { workers: { memoryLimit: "much" } }, "memoryLimit"],
];

const taken: readonly (readonly [string, string, Values])[] = [
  ["a client.id of 63", AGENT_CHART, { client: { id: "a".repeat(63) } }],
  ["several brokers", AGENT_CHART, agent({ brokers: "a:9092, b:9093,[fd00::1]:9094" })],
  ["a compound duration", AGENT_CHART, agent({}, { heartbeat: { interval: "1m30s" } })],
  ["global values of a parent chart", AGENT_CHART, agent({}, { global: { any: 1 } })],
  ["memory of each form", SIDECAR_CHART, { workers: { memoryLimit: "512Mi" } }],
];

test("the original's own Deployment, with our image, is a control plane that runs Jobs", async () => {
  const seed = `${import.meta.dir}/../vector/seed/deployment.yaml`;
  const [manifest] = parseManifests(await Bun.file(seed).text());
  const pod = manifest === undefined ? undefined : podOf(manifest);
  if (pod === undefined) throw new Error("no Deployment");
  // No command of its own: the image's default is `control-plane` (images-docker.test.ts).
  expect(pod.containers[0]).toMatchObject({ name: "control-plane", args: [] });
  const read = readControlPlaneConfig(environmentOf(pod), openHost());
  expect(read).toMatchObject({ ok: true, value: { kubernetesMode: true, metricsPort: 9090 } });
});

/** Helm 3 writes `client.id`, Helm 4 a JSON pointer: `/client/id`. */
const dotted = (text = ""): string =>
  text.replaceAll(/'\/(?<path>[^']+)'/gu, (_, path: string) => path.replaceAll("/", "."));

describe.skipIf(missing !== undefined)("values of the charts", () => {
  test.each(refused)(
    "%s is refused, by name",
    async (_name, chart, values, name) => {
      expect(dotted(await refusal(chart, values))).toContain(name);
    },
    LIMIT_MS,
  );

  test.each(taken)(
    "%s is taken",
    async (_name, chart, values) => {
      expect(await refusal(chart, values)).toBeUndefined();
    },
    LIMIT_MS,
  );

  test(
    "the control plane may do exactly what the kubernetes runtime says that it needs",
    async () => {
      const rulesOf = async (kind: string, values: Values) =>
        (await render(SIDECAR_CHART, values)).find((each) => each.kind === kind)?.rules;
      expect<unknown>(await rulesOf("Role", {})).toEqual(WORKER_RULES);
      expect<unknown>(await rulesOf("ClusterRole", {})).toEqual(CLUSTER_RULES);
      // A Job is changed only to let it begin once its own Secret is there.
      const own = WORKER_RULES.filter(({ resources }) => !resources.includes("secrets")).map(
        (rule) => ({ ...rule, verbs: rule.verbs.filter((verb) => verb !== "patch") }),
      );
      expect<unknown>(await rulesOf("Role", { workers: { existingSecret: "own" } })).toEqual(own);
    },
    LIMIT_MS,
  );

  test(
    "kubernetes gets a Role in the workers' namespace alone, docker none and no token",
    async () => {
      const elsewhere = await render(SIDECAR_CHART, { workers: { namespace: "workers" } });
      for (const kind of ["Role", "RoleBinding"]) {
        const { metadata } = named(elsewhere, kind, "edge-control-plane");
        expect(metadata.namespace).toBe("workers");
      }
      const plane = podOf(named(elsewhere, "Deployment", "edge-control-plane"));
      expect(plane?.automountServiceAccountToken).toBe(true);
      const docker = await render(SIDECAR_CHART, {
        runtime: "docker",
        docker: { host: "tcp://engine:2376", tls: { existingSecret: "engine" } },
      });
      expect(docker.filter(({ kind }) => /Role/u.test(kind))).toEqual([]);
      const pod = podOf(named(docker, "Deployment", "edge-control-plane"));
      expect(pod?.automountServiceAccountToken).toBe(false);
      expect(pod === undefined ? {} : environmentOf(pod)).toMatchObject({
        DOCKER_TLS_VERIFY: "1",
        DOCKER_CERT_PATH: "/etc/outrider/docker",
        NEO4J_PASS_FILE: "/etc/outrider/neo4j/password",
      });
      const mounts = pod?.containers[0]?.volumeMounts ?? [];
      expect(mounts.map(({ mountPath }) => mountPath)).toContain("/etc/outrider/docker");
    },
    LIMIT_MS,
  );

  test(
    "how long a successor must run is a value, and what the program takes by default",
    async () => {
      const read = async (values: Values) => {
        const pod = podOf(
          named(await render(SIDECAR_CHART, values), "Deployment", "edge-control-plane"),
        );
        return pod === undefined ? {} : environmentOf(pod);
      };
      const config = readControlPlaneConfig({}, openHost());
      const byDefault = await read({});
      expect(byDefault).toMatchObject({ WORKER_MIN_READY: "60s" });
      expect(config).toMatchObject({ ok: true, value: { workerMinReadyMs: 60_000 } });
      const timing = (workerMinReady: string | null) => ({
        controlPlane: { timing: { workerMinReady } },
      });
      expect(await read(timing("5m"))).toMatchObject({ WORKER_MIN_READY: "5m" });
      // As after an upgrade with the values of an older chart.
      expect(await read(timing(null))).not.toHaveProperty("WORKER_MIN_READY");
      expect(dotted(await refusal(SIDECAR_CHART, timing("60")))).toContain("workerMinReady");
    },
    LIMIT_MS,
  );

  test(
    "two control planes have a disruption budget, one has none, none has nothing",
    async () => {
      const kinds = async (values: Values) =>
        (await render(SIDECAR_CHART, values)).map(({ kind }) => kind);
      expect(await kinds({})).toContain("PodDisruptionBudget");
      expect(await kinds({ controlPlane: { replicas: 1 } })).not.toContain("PodDisruptionBudget");
      expect(await kinds({ controlPlane: { enabled: false } })).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "a network policy lets out to DNS and to Kafka's ports, as the brokers' addresses have them",
    async () => {
      const manifests = await render(
        AGENT_CHART,
        agent({ brokers: "a:9093,b,[fd00::1]:9094" }, { networkPolicy: { enabled: true } }),
      );
      const { spec } = named(manifests, "NetworkPolicy", "edge");
      expect(spec["egress"]).toEqual([
        {
          ports: [
            { port: 53, protocol: "UDP" },
            { port: 53, protocol: "TCP" },
          ],
        },
        { ports: [9093, 9092, 9094].map((port) => ({ port, protocol: "TCP" })) },
      ]);
    },
    LIMIT_MS,
  );
});
