/** charts/cluster-info-collector as helm renders it: rules that hold for every object, and what its values make. */
import { describe, expect, test } from "bun:test";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { EXTERNAL_DATABASE, EXTERNAL_KAFKA, merged, NAMED } from "./chart-values.ts";
import {
  chartPath,
  environmentOf,
  type Manifest,
  named,
  type PodSpec,
  podOf,
  refusal,
  render,
  type Values,
} from "./manifest.ts";
import { violations } from "./manifest-rules.ts";

const LIMIT_MS = 60_000;
const CHART = chartPath("cluster-info-collector");
const NAME = "edge-cluster-info-collector";
const PASSWORD = "a-password-of-the-test";

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the collector's chart: ${missing}\n`);

/** A preset, as `helm install -f` reads it. */
async function preset(name: string): Promise<Values> {
  const values: unknown = Bun.YAML.parse(await Bun.file(`${CHART}/values-${name}.yaml`).text());
  if (typeof values !== "object" || values === null) throw new Error(`${name} has no values`);
  return { ...values };
}

const sasl = { enabled: true, username: "edge", password: PASSWORD };
const tls = { enabled: true, ca: "PEM", certificate: "PEM", key: "PEM", serverName: "kafka" };
const ownTls = { enabled: true, existingSecret: "t", certificateKey: "c", keyKey: "k" };
const EXTERNAL = merged(NAMED, EXTERNAL_KAFKA, EXTERNAL_DATABASE);
const INGRESS = { ingress: { hosts: [{ host: "a.example" }] } };
const WATCH = { collector: { mode: "deployment" } };

const everyWay: readonly (readonly [string, Values])[] = [
  ["as it comes", {}],
  ["with a collector that watches", WATCH],
  ["as the development preset", await preset("development")],
  ["as the production preset", merged(await preset("production"), INGRESS)],
  ["as the external preset", merged(await preset("external"), EXTERNAL)],
  [
    "with SASL and TLS",
    merged(EXTERNAL, {
      externalKafka: { sasl, tls },
      externalPostgresql: { password: PASSWORD, tls: { ca: "PEM" } },
    }),
  ],
  [
    "with Secrets of one's own",
    merged(NAMED, {
      kafka: { enabled: false },
      externalKafka: {
        ...{ existingSecret: "brokers", tls: ownTls },
        sasl: { enabled: true, existingSecret: "login" },
      },
      postgresql: { enabled: false },
      externalPostgresql: {
        ...{ host: "db", existingSecret: "database" },
        tls: { existingSecret: "authority" },
      },
      config: { api: { existingSecret: "tokens" } },
    }),
  ],
  [
    "with an internal database's own Secret, and no API",
    {
      postgresql: { auth: { existingSecret: "database" } },
      config: { api: { enabled: false } },
      global: { imagePullSecrets: ["pull"] },
    },
  ],
  ["without a collector", { collector: { enabled: false } }],
  ["without a consumer", { consumer: { enabled: false } }],
  [
    "of one of many clusters, which another release stores",
    merged(NAMED, EXTERNAL_KAFKA, {
      consumer: { enabled: false },
      postgresql: { enabled: false },
    }),
  ],
];

const NOT_READ_ONLY = `StatefulSet ${NAME}-kafka: container kafka: may write to its root`;

const podNamed = (manifests: readonly Manifest[], kind: string, name: string): PodSpec => {
  const pod = podOf(named(manifests, kind, name));
  if (pod === undefined) throw new Error(`${kind} ${name} has no pod`);
  return pod;
};

describe.skipIf(missing !== undefined)("charts/cluster-info-collector", () => {
  test.each(everyWay)(
    "%s keeps every rule, but that Kafka's image writes to its root",
    async (_name, values) => {
      const wrong = violations(await render(CHART, values));
      expect(wrong.filter((each) => each !== NOT_READ_ONLY)).toEqual([]);
    },
    LIMIT_MS,
  );

  test.each(everyWay)(
    "%s with a long name has names of 63 characters at most, and two labels of one name never",
    async (_name, values) => {
      const release = "r".repeat(53);
      const manifests = await render(CHART, values, { release, namespace: "n".repeat(63) });
      expect(violations(manifests).filter((each) => each.includes("characters"))).toEqual([]);
      const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(new Set(names).size).toBe(names.length);
      for (const { kind, metadata } of manifests) {
        // A CronJob's Jobs, and a StatefulSet's revisions, add eleven.
        if (kind === "CronJob" || kind === "StatefulSet")
          expect(metadata.name.length).toBeLessThan(53);
      }
    },
    LIMIT_MS,
  );

  test.each(everyWay)(
    "%s shows a password in Secrets alone, and mounts what it names",
    async (_name, values) => {
      const manifests = await render(CHART, values);
      const open = manifests.filter(({ kind }) => kind !== "Secret");
      expect(JSON.stringify(open)).not.toContain(PASSWORD);
      for (const manifest of manifests) {
        const pod = podOf(manifest);
        if (pod === undefined) continue;
        const mounts = pod.containers[0]?.volumeMounts ?? [];
        const claimed = manifest.kind === "StatefulSet" && "volumeClaimTemplates" in manifest.spec;
        const volumes = [...pod.volumes.map(({ name }) => name), ...(claimed ? ["data"] : [])];
        expect(mounts.map(({ name }) => name).toSorted()).toEqual(volumes.toSorted());
        const files = Object.entries(environmentOf(pod)).filter(([name]) => name.endsWith("_FILE"));
        for (const [name, file] of files) {
          const held = mounts.some(({ mountPath }) => file.startsWith(`${mountPath}/`));
          expect(`${name} ${held}`).toBe(`${name} true`);
        }
      }
    },
    LIMIT_MS,
  );

  test(
    "it passes helm lint, with each preset too",
    async () => {
      const helm = await openHelm();
      const runs = await Promise.all([
        helm("lint", "--strict", CHART),
        helm("lint", "--strict", CHART, "-f", `${CHART}/values-development.yaml`),
      ]);
      for (const { code, stdout } of runs) expect({ code, stdout }).toMatchObject({ code: 0 });
    },
    LIMIT_MS,
  );

  test(
    "a pass is one Job at a time, which is not tried again where it would end alike",
    async () => {
      const { spec } = named(await render(CHART, {}), "CronJob", `${NAME}-collector`);
      expect(spec).toMatchObject({
        schedule: "0 */6 * * *",
        concurrencyPolicy: "Forbid",
        jobTemplate: {
          spec: {
            podFailurePolicy: {
              rules: [
                {
                  action: "FailJob",
                  onExitCodes: { containerName: "collector", values: [64, 77] },
                },
              ],
            },
            template: {
              metadata: { labels: { "sidecar.istio.io/inject": "false" } },
              spec: {
                restartPolicy: "Never",
                containers: [{ args: ["collect", "--mode", "once"] }],
              },
            },
          },
        },
      });
    },
    LIMIT_MS,
  );

  test(
    "a collector that watches is alone: the old one ends before the new one begins",
    async () => {
      const { spec } = named(await render(CHART, WATCH), "Deployment", `${NAME}-collector`);
      expect(spec).toMatchObject({ replicas: 1, strategy: { type: "Recreate" } });
    },
    LIMIT_MS,
  );

  test(
    "the collector's pod has a token; no other has one",
    async () => {
      const manifests = await render(CHART, WATCH);
      const withToken = manifests.filter(
        (each) => podOf(each)?.automountServiceAccountToken === true,
      );
      expect(withToken.map(({ metadata }) => metadata.name)).toEqual([`${NAME}-collector`]);
    },
    LIMIT_MS,
  );

  test(
    "volumes and the generated password outlive the release",
    async () => {
      const manifests = await render(CHART, {});
      for (const name of [`${NAME}-postgresql`, `${NAME}-kafka`]) {
        expect(named(manifests, "StatefulSet", name).spec).toMatchObject({
          persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
        });
      }
      const { metadata, stringData } = named(manifests, "Secret", `${NAME}-postgresql`);
      expect(metadata.annotations["helm.sh/resource-policy"]).toBe("keep");
      expect(stringData["password"]).toMatch(/^[A-Za-z0-9]{32}$/u);
      const others = named(await render(CHART, {}), "Secret", `${NAME}-postgresql`);
      expect(others.stringData["password"]).not.toBe(stringData["password"]);
    },
    LIMIT_MS,
  );

  test(
    "what is shared with other clusters needs a name that no other cluster has",
    async () => {
      const id = (manifests: readonly Manifest[]) =>
        environmentOf(podNamed(manifests, "CronJob", `${NAME}-collector`))["CLIENT_ID"];
      expect(id(await render(CHART, {}))).toBe("outrider.edge");
      expect(id(await render(CHART, { client: { id: "af-10" } }))).toBe("af-10");
      for (const shared of [EXTERNAL_KAFKA, EXTERNAL_DATABASE]) {
        expect(await refusal(CHART, shared)).toContain("client.id is required");
      }
    },
    LIMIT_MS,
  );

  test(
    "three brokers know each other, and bear the loss of one",
    async () => {
      const manifests = await render(CHART, { kafka: { replicaCount: 3 } });
      const kafka = environmentOf(podNamed(manifests, "StatefulSet", `${NAME}-kafka`));
      const voter = (n: number) => `${n}@${NAME}-kafka-${n}.${NAME}-kafka.outrider.svc:9093`;
      expect(kafka).toMatchObject({
        KAFKA_CONTROLLER_QUORUM_VOTERS: [0, 1, 2].map(voter).join(),
        KAFKA_DEFAULT_REPLICATION_FACTOR: "3",
        KAFKA_MIN_INSYNC_REPLICAS: "2",
      });
      expect(kafka["CLUSTER_ID"]).toMatch(/^[A-Za-z0-9_-]{22}$/u);
    },
    LIMIT_MS,
  );

  test(
    "ServiceMonitor and PrometheusRule can be in the namespace of another, which selects them by label",
    async () => {
      const labels = { release: "prometheus" };
      const manifests = await render(CHART, {
        monitoring: {
          serviceMonitor: { enabled: true, namespace: "monitoring", labels },
          prometheusRule: { enabled: true, namespace: "monitoring", labels },
        },
      });
      for (const kind of ["ServiceMonitor", "PrometheusRule"]) {
        const { metadata } = named(manifests, kind, NAME);
        expect(metadata).toMatchObject({ namespace: "monitoring", labels });
      }
      const { spec } = named(manifests, "ServiceMonitor", NAME);
      expect(spec).toMatchObject({ namespaceSelector: { matchNames: ["outrider"] } });
    },
    LIMIT_MS,
  );
});
