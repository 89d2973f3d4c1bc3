/** Values that the original's chart takes, as its users give them: by --set, which makes numbers of digits. */
import { expect, test } from "bun:test";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { chartPath, environmentOf, named, parseManifests, podOf } from "../system/manifest.ts";

const LIMIT_MS = 60_000;

const helm = await openHelm().catch((error: unknown) => {
  if (!(error instanceof BedUnavailable)) throw error;
  process.stderr.write(`SKIPPED the original's values: ${error.message}\n`);
  return undefined;
});

async function template(chart: "agent" | "sidecar", options: readonly string[]) {
  if (helm === undefined) throw new Error("no helm");
  return await helm("template", "edge", chartPath(chart), ...options);
}

const set = (...pairs: readonly string[]): readonly string[] =>
  pairs.flatMap((pair) => ["--set", pair]);

async function environment(chart: "agent" | "sidecar", options: readonly string[]) {
  const { code, stdout, stderr } = await template(chart, options);
  if (code !== 0) throw new Error(stderr);
  const manifests = parseManifests(stdout);
  const name = chart === "agent" ? "edge-state-watcher" : "edge-control-plane";
  const pod = podOf(named(manifests, "Deployment", name));
  if (pod === undefined) throw new Error(`no pod of ${name}`);
  const secret = manifests.find(({ kind }) => kind === "Secret")?.stringData ?? {};
  return { ...environmentOf(pod), ...secret };
}

test.skipIf(helm === undefined)(
  "ids that 0.1 refused, digits by --set, and SCRAM-SHA-512 without saying so",
  async () => {
    for (const id of ["Prod_EU", "client_007", "prod.eu-1", "a".repeat(200)]) {
      expect(await environment("agent", set(`client.id=${id}`))).toMatchObject({ CLIENT_ID: id });
    }
    const digits = set("client.id=12345678", "cluster.name=7", "cluster.version=2", "image.tag=3");
    const sasl = ["enabled=true", "username=10", "password=20251128"];
    const all = [...digits, ...set(...sasl.map((pair) => `client.kafka.sasl.${pair}`))];
    expect(await environment("agent", all)).toMatchObject({
      ...{ CLIENT_ID: "12345678", CLUSTER_NAME: "7", CLUSTER_VERSION: "2" },
      ...{ SASL_MECHANISM: "SCRAM-SHA-512", "sasl-username": "10", "sasl-password": "20251128" },
    });
    const lower = [...all, ...set("client.kafka.sasl.mechanism=scram-sha-256")];
    expect(await environment("agent", lower)).toMatchObject({ SASL_MECHANISM: "scram-sha-256" });
  },
  LIMIT_MS,
);

test.skipIf(helm === undefined)(
  "the control plane's digits by --set",
  async () => {
    const workers = set("workers.memoryLimit=268435456", "workers.cpuLimit=1", "neo4j.user=9");
    const more = set("controlPlane.fleet=42", "neo4j.password=1234567890");
    expect(await environment("sidecar", [...workers, ...more])).toMatchObject({
      ...{ GB_MEMORY_LIMIT: "268435456", GB_CPU_LIMIT: "1", NEO4J_USER: "9", FLEET: "42" },
      "neo4j-password": "1234567890",
    });
  },
  LIMIT_MS,
);

test.skipIf(helm === undefined).each([
  ["agent", 'client={"id":12345678}', "client.id is a number"],
  [
    "agent",
    'client={"id":"a","kafka":{"sasl":{"enabled":true,"username":"a","password":1}}}',
    "password is a number",
  ],
  ["agent", 'client={"id":"-x"}', "client.id"],
  ["agent", 'client={"id":"_watermark"}', "client.id"],
  ["agent", `client={"id":"${"a".repeat(201)}"}`, "client.id"],
  ["sidecar", 'neo4j={"password":12345678}', "neo4j.password is a number"],
  [
    "sidecar",
    'controlPlane={"timing":{"heartbeatTimeout":"10m"}}',
    "cleanupTimeout (5m) must be longer than heartbeatTimeout (10m)",
  ],
  [
    "sidecar",
    'controlPlane={"timing":{"heartbeatTimeout":"1.5h","cleanupTimeout":"1h30m"}}',
    "raise both",
  ],
] as const)(
  "%s refuses %s at install",
  async (chart, values, why) => {
    const { code, stderr } = await template(chart, ["--set-json", values]);
    expect(code).not.toBe(0);
    expect(stderr.replaceAll("/", ".")).toContain(why);
  },
  LIMIT_MS,
);
