/**
 * What the charts give collector and consumer, read back by the programs that they start: commands, variables, and
 * the permissions that exactly this selection takes.
 */
import { describe, expect, test } from "bun:test";
import { COLLECT_CHECKS, COLLECT_COMMAND_TABLE } from "../../agent/collect/config.ts";
import { AGENT } from "../../agent/commands.ts";
import { AGENT_TABLE } from "../../agent/config.ts";
import { parseArguments } from "../../shared/cli/arguments.ts";
import type { Host } from "../../shared/config/host.ts";
import { parseEnvironment } from "../../shared/config/table.ts";
import { ok } from "../../shared/result.ts";
import { SIDECAR } from "../../sidecar/commands.ts";
import { INGEST_TABLE, readIngestConfig } from "../../sidecar/ingest/config.ts";
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
  render,
  type Values,
} from "./manifest.ts";

const LIMIT_MS = 60_000;
const CHART = chartPath("cluster-info-collector");
const AGENT_CHART = chartPath("agent");
const NAME = "edge-cluster-info-collector";

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the collector's programs: ${missing}\n`);

const DATABASES = [
  {
    group: "example.com",
    version: "v1",
    plural: "databases",
    fields: ["spec.engine", "status.phase"],
  },
  {
    group: "example.com",
    version: "v1",
    plural: "zones",
    namespaced: false,
    fields: ["spec.name"],
  },
];
const SELECTED = {
  ...{ secrets: true, events: true, customResources: DATABASES, namespaces: ["a", "b"] },
  ...{ labelSelector: "team in (a, b)", annotations: ["example.com/*"] },
};
const sasl = { enabled: true, username: "edge", password: "p" };
const tls = { enabled: true, ca: "PEM", certificate: "PEM", key: "PEM", serverName: "kafka" };

const everyWay: readonly (readonly [string, Values])[] = [
  ["as it comes", {}],
  ["watching a selection", { collector: { mode: "deployment", ...SELECTED } }],
  ["without an API", { config: { api: { enabled: false } } }],
  ["with an open API", { config: { api: { auth: "none" } } }],
  [
    "with servers of others",
    merged(NAMED, EXTERNAL_KAFKA, EXTERNAL_DATABASE, {
      externalKafka: { sasl, tls },
      externalPostgresql: { tls: { ca: "PEM" } },
      config: { database: { sslMode: "verify-full" } },
    }),
  ],
];

/** Of a pod: whatever file is mounted is there. */
const host: Host = {
  terminal: false,
  readFile: () =>
    ok(
      "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n" +
        "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n",
    ),
  writable: () => false,
};

const podNamed = (manifests: readonly Manifest[], kind: string, name: string): PodSpec => {
  const pod = podOf(named(manifests, kind, name));
  if (pod === undefined) throw new Error(`${kind} ${name} has no pod`);
  return pod;
};

const collectorOf = (manifests: readonly Manifest[]): PodSpec => {
  const kind = manifests.some((each) => each.kind === "CronJob") ? "CronJob" : "Deployment";
  return podNamed(manifests, kind, `${NAME}-collector`);
};

/** Variables that no table has, and so nobody reads. */
const unread = (pod: PodSpec, tables: readonly object[]): readonly string[] => {
  const names = new Set(
    tables.flatMap((table) =>
      Object.values<{ readonly about?: { readonly name?: string } }>({ ...table }).flatMap(
        ({ about }) => (about?.name === undefined ? [] : [about.name, `${about.name}_FILE`]),
      ),
    ),
  );
  return Object.keys(environmentOf(pod)).filter((name) => !names.has(name));
};

const RUN = { ok: true, value: { kind: "run" } } as const;
const commandOf = (pod: PodSpec): readonly string[] => pod.containers[0]?.args ?? [];

describe.skipIf(missing !== undefined)("collector and consumer of the chart", () => {
  test.each(everyWay)(
    "%s are started with commands that the programs know, and variables that they read",
    async (_name, values) => {
      const manifests = await render(CHART, values);
      const collector = collectorOf(manifests);
      expect(parseArguments(AGENT, commandOf(collector))).toMatchObject(RUN);
      expect(unread(collector, [COLLECT_COMMAND_TABLE])).toEqual([]);
      const collect = parseEnvironment(
        COLLECT_COMMAND_TABLE,
        COLLECT_CHECKS,
        environmentOf(collector),
        host,
      );
      expect(collect).toMatchObject({ ok: true });
      const consumer = podNamed(manifests, "Deployment", `${NAME}-consumer`);
      expect(parseArguments(SIDECAR, commandOf(consumer))).toMatchObject(RUN);
      expect(unread(consumer, [INGEST_TABLE])).toEqual([]);
      expect(readIngestConfig(environmentOf(consumer), host)).toMatchObject({ ok: true });
      const check = podNamed(manifests, "Pod", `${NAME}-check-kafka`);
      expect(parseArguments(AGENT, commandOf(check))).toMatchObject(RUN);
    },
    LIMIT_MS,
  );
});

/** `deployments.apps`, by scope: `*` is the whole cluster. */
type Allowed = ReadonlyMap<string, ReadonlySet<string>>;

function allowedBy(manifests: readonly Manifest[]): Allowed {
  const allowed = new Map<string, Set<string>>();
  for (const { kind, metadata, rules } of manifests) {
    if (!/^(?:Cluster)?Role$/u.test(kind)) continue;
    const scope = kind === "Role" ? (metadata.namespace ?? "") : "*";
    for (const { apiGroups, resources, verbs, resourceNames } of rules) {
      if (resourceNames !== undefined) continue;
      expect(verbs).toEqual(["get", "list", "watch"]);
      const names = resources.map((name) => [name, ...apiGroups.filter(Boolean)].join("."));
      allowed.set(scope, new Set([...(allowed.get(scope) ?? []), ...names]));
    }
  }
  return allowed;
}

/** What the programs say that they will ask for. */
function neededBy(environment: Readonly<Record<string, string>>): Allowed {
  const read = parseEnvironment(COLLECT_COMMAND_TABLE, COLLECT_CHECKS, environment, host);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  const { collectKinds, collectCustomResources = [], collectNamespaces } = read.value;
  const needed = new Map<string, Set<string>>();
  for (const { kind, isNamespaced } of [...collectKinds, ...collectCustomResources]) {
    const scopes = isNamespaced && collectNamespaces !== undefined ? collectNamespaces : ["*"];
    for (const scope of scopes) needed.set(scope, new Set([...(needed.get(scope) ?? []), kind]));
  }
  return needed;
}

const sorted = (allowed: Allowed) =>
  Object.fromEntries([...allowed].map(([scope, kinds]) => [scope, [...kinds].sort()]));

describe.skipIf(missing !== undefined)("the collector may do exactly what it asks for", () => {
  const selections: readonly (readonly [string, Values])[] = [
    ["as it comes", {}],
    ["without Secrets", { secrets: false }],
    ["with Secrets", { secrets: true }],
    ["a selection of everything", SELECTED],
  ];

  test.each(selections)(
    "%s, in charts/cluster-info-collector",
    async (_name, collector) => {
      const manifests = await render(CHART, { collector });
      const needed = neededBy(environmentOf(collectorOf(manifests)));
      expect(sorted(allowedBy(manifests))).toEqual(sorted(needed));
    },
    LIMIT_MS,
  );

  test.each(selections)(
    "%s, in charts/agent",
    async (_name, collector) => {
      const values = { ...NAMED, collector: { ...collector, enabled: true } };
      const manifests = await render(AGENT_CHART, values);
      const pod = podNamed(manifests, "Deployment", "edge-state-watcher");
      expect(environmentOf(pod)["COLLECT"]).toBe("watch");
      expect(pod.automountServiceAccountToken).toBe(true);
      expect(unread(pod, [AGENT_TABLE])).toEqual([]);
      expect(sorted(allowedBy(manifests))).toEqual(sorted(neededBy(environmentOf(pod))));
      for (const hook of ["edge-register", "edge-deregister"]) {
        const other = podNamed(manifests, "Job", hook);
        expect(other.automountServiceAccountToken).toBe(false);
        expect(environmentOf(other)["COLLECT"]).toBeUndefined();
      }
    },
    LIMIT_MS,
  );

  test(
    "a network policy of the agent lets its collector out to the API server, and nobody else",
    async () => {
      const policy = { networkPolicy: { enabled: true } };
      const portsOf = async (values: Values) =>
        JSON.stringify(
          named(await render(AGENT_CHART, { ...NAMED, ...values }), "NetworkPolicy", "edge").spec,
        ).match(/"port":6443/gu);
      expect(await portsOf(policy)).toBeNull();
      expect(await portsOf({ ...policy, collector: { enabled: true } })).toHaveLength(1);
    },
    LIMIT_MS,
  );

  test(
    "Secrets are collected where the original did, and not by the agent's chart",
    async () => {
      const own = neededBy(environmentOf(collectorOf(await render(CHART, {}))));
      expect(own.get("*")).toContain("secrets");
      const agent = await render(AGENT_CHART, { ...NAMED, collector: { enabled: true } });
      expect(allowedBy(agent).get("*")).not.toContain("secrets");
      expect(allowedBy(await render(AGENT_CHART, NAMED)).size).toBe(0);
    },
    LIMIT_MS,
  );
});
