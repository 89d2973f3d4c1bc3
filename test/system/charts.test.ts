/** The charts as helm renders them: rules that hold for every object, and what values make of them. */
import { describe, expect, test } from "bun:test";
import { AGENT } from "../../agent/commands.ts";
import { readAgentConfig } from "../../agent/config.ts";
import { parseArguments } from "../../shared/cli/arguments.ts";
import type { Host } from "../../shared/config/host.ts";
import { ok } from "../../shared/result.ts";
import { SIDECAR } from "../../sidecar/commands.ts";
import { readControlPlaneConfig } from "../../sidecar/control-plane/config.ts";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import {
  chartPath,
  environmentOf,
  type Manifest,
  named,
  podOf,
  render,
  type Values,
} from "./manifest.ts";
import { violations } from "./manifest-rules.ts";

const LIMIT_MS = 60_000;
const AGENT_CHART = chartPath("agent");
const SIDECAR_CHART = chartPath("sidecar");
const PASSWORD = "a-password-of-the-test";

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the charts: ${missing}\n`);

const sasl = { enabled: true, mechanism: "SCRAM-SHA-512", username: "edge", password: PASSWORD };
const ownSasl = { enabled: true, existingSecret: "own", mechanism: "PLAIN" };
const tls = { enabled: true, ca: "PEM", certificate: "PEM", key: "PEM", serverName: "kafka" };
const ownTls = {
  ...{ enabled: true, existingSecret: "own-tls" },
  ...{ certificateKey: "tls.crt", keyKey: "tls.key" },
};
const monitored = { networkPolicy: { enabled: true }, imagePullSecrets: [{ name: "pull" }] };

const agent = (kafka: Values = {}, more: Values = {}): Values => ({
  client: { id: "af-10", kafka },
  ...more,
});

const everyWay: readonly (readonly [string, string, Values])[] = [
  ["agent", AGENT_CHART, agent()],
  ["agent, SASL and TLS", AGENT_CHART, agent({ sasl, tls }, monitored)],
  ["agent, own Secrets", AGENT_CHART, agent({ sasl: ownSasl, tls: ownTls })],
  ["agent, TLS by known authorities", AGENT_CHART, agent({ tls: { enabled: true } })],
  [
    "agent, collecting",
    AGENT_CHART,
    agent({}, { collector: { enabled: true, secrets: true, namespaces: ["a"] }, ...monitored }),
  ],
  ["agent, monitored", AGENT_CHART, agent({}, { podMonitor: { enabled: true } })],
  ["sidecar", SIDECAR_CHART, {}],
  ["sidecar, SASL and TLS", SIDECAR_CHART, { kafka: { sasl, tls }, ...monitored }],
  [
    "sidecar, own Secrets",
    SIDECAR_CHART,
    { kafka: { sasl: ownSasl, tls: ownTls }, workers: { existingSecret: "workers" } },
  ],
  [
    "sidecar, workers of one's own",
    SIDECAR_CHART,
    {
      workers: {
        ...{ env: { A: "b" }, tls: { existingSecret: "ca" }, inheritKafkaAuth: true },
        podTemplate: { spec: { nodeSelector: { disk: "ssd" } } },
      },
    },
  ],
  ["sidecar, elsewhere", SIDECAR_CHART, { workers: { namespace: "workers" } }],
  [
    "sidecar, docker",
    SIDECAR_CHART,
    {
      runtime: "docker",
      docker: { host: "tcp://engine:2376", tls: { existingSecret: "engine" } },
      serviceMonitor: { enabled: true },
    },
  ],
];

/** Of a pod: whatever file is mounted is there. */
const host: Host = {
  terminal: false,
  readFile: (path) =>
    ok(
      path.endsWith(".yaml")
        ? "spec: {}"
        : "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n" +
            "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n",
    ),
  writable: () => false,
};

const jobOf = (manifests: readonly Manifest[], name: string) => {
  const job = named(manifests, "Job", name);
  const pod = podOf(job);
  if (pod === undefined) throw new Error("a Job without a pod");
  return { job, pod, args: pod.containers[0]?.args ?? [] };
};

describe.skipIf(missing !== undefined)("the charts", () => {
  test.each(everyWay)(
    "%s keeps every rule",
    async (_name, chart, values) => {
      expect(violations(await render(chart, values))).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "the rules notice what values can break",
    async () => {
      const bare = { resources: { limits: null }, serviceAccount: { create: false } };
      const wrong = violations(await render(AGENT_CHART, agent({}, bare))).join();
      expect(wrong).toContain("Deployment edge-state-watcher: uses the default account");
      expect(wrong).toContain("container agent: has no requests and limits of both cpu and memory");
    },
    LIMIT_MS,
  );

  test.each(everyWay)(
    "%s gives an environment that the program takes, and a command that it knows",
    async (_name, chart, values) => {
      const isAgent = chart === AGENT_CHART;
      for (const manifest of await render(chart, values)) {
        const pod = podOf(manifest);
        if (pod === undefined) continue;
        const { args = [] } = pod.containers[0] ?? {};
        const read = isAgent ? parseArguments(AGENT, args) : parseArguments(SIDECAR, args);
        expect(read).toMatchObject({ ok: true, value: { kind: "run" } });
        const environment = environmentOf(pod);
        const config = isAgent
          ? readAgentConfig(environment, host)
          : readControlPlaneConfig(environment, host);
        expect(config).toMatchObject({ ok: true });
      }
    },
    LIMIT_MS,
  );

  test.each(everyWay)(
    "%s shows a password in Secrets alone, and mounts what it names",
    async (_name, chart, values) => {
      const manifests = await render(chart, values);
      const open = manifests.filter(({ kind }) => kind !== "Secret");
      expect(JSON.stringify(open)).not.toContain(PASSWORD);
      for (const pod of manifests.flatMap((each) => podOf(each) ?? [])) {
        const mounts = pod.containers[0]?.volumeMounts ?? [];
        expect(mounts.map(({ name }) => name).toSorted()).toEqual(
          pod.volumes.map(({ name }) => name).toSorted(),
        );
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
    "the charts pass helm lint",
    async () => {
      const helm = await openHelm();
      const id = "client.id=af-10";
      const runs = await Promise.all([
        helm("lint", "--strict", AGENT_CHART, "--set", id),
        helm("lint", "--strict", SIDECAR_CHART),
      ]);
      for (const { code, stdout } of runs) expect({ code, stdout }).toMatchObject({ code: 0 });
    },
    LIMIT_MS,
  );

  test(
    "the agent's chart has the original's names, one account, and asks nothing of Kubernetes",
    async () => {
      const manifests = await render(AGENT_CHART, agent(), { release: "kg-rca-agent" });
      const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(names.toSorted()).toEqual([
        "Deployment kg-rca-agent-state-watcher",
        "Job kg-rca-agent-deregister",
        "Job kg-rca-agent-register",
        "Pod kg-rca-agent-check-kafka",
        "ServiceAccount kg-rca-agent",
      ]);
      const watcher = podOf(named(manifests, "Deployment", "kg-rca-agent-state-watcher"));
      expect(watcher?.automountServiceAccountToken).toBe(false);
      expect(watcher?.containers[0]?.readinessProbe?.httpGet.path).toBe("/health/ready");
    },
    LIMIT_MS,
  );

  test(
    "the hooks run when they must, and leave a failed pod for its log",
    async () => {
      const manifests = await render(AGENT_CHART, agent());
      const when = (name: string) =>
        named(manifests, "Job", name).metadata.annotations["helm.sh/hook"];
      expect(when("edge-register")).toBe("post-install,post-upgrade,post-rollback");
      expect(when("edge-deregister")).toBe("pre-delete");
      for (const name of ["edge-register", "edge-deregister"]) {
        const { metadata, spec } = named(manifests, "Job", name);
        expect(metadata.annotations["helm.sh/hook-delete-policy"]).not.toContain("hook-failed");
        expect(metadata.annotations["helm.sh/hook-output-log-policy"]).toContain("hook-failed");
        expect(spec).toMatchObject({ template: { spec: { restartPolicy: "Never" } } });
        expect(spec["ttlSecondsAfterFinished"]).toBe(86_400);
      }
    },
    LIMIT_MS,
  );

  const deadlines: readonly (readonly [number, number])[] = [
    [60, 1],
    [5, 0],
    [3600, 6],
  ];
  test.each(deadlines)(
    "a hook of %i s with backoffLimit %i has a deadline beyond all of its attempts",
    async (timeoutSeconds, backoffLimit) => {
      const hooks = { timeoutSeconds, backoffLimit };
      const { job, pod } = jobOf(await render(AGENT_CHART, agent({}, { hooks })), "edge-register");
      expect(environmentOf(pod)["HOOK_TIMEOUT"]).toBe(`${timeoutSeconds}s`);
      expect(job.spec["backoffLimit"]).toBe(backoffLimit);
      // Kubernetes pauses 10 s, 20 s, 40 s, ... between attempts.
      const pauses = 10 * (2 ** backoffLimit - 1);
      expect(job.spec["activeDeadlineSeconds"]).toBeGreaterThan(
        (backoffLimit + 1) * timeoutSeconds + pauses,
      );
    },
    LIMIT_MS,
  );

  const wishes: readonly (readonly [string, Values, string, string | undefined])[] = [
    [
      "by default",
      {},
      "register --wait 10s --on-unconfirmed warn",
      "deregister --on-failure ignore --wait 30s",
    ],
    [
      "hooks.waitForWorker",
      { waitForWorker: true },
      "register --wait 60s",
      "deregister --on-failure ignore --wait 30s",
    ],
    [
      "no waiting at all",
      { confirmSeconds: 0, deregister: { confirmSeconds: 0, onFailure: "fail" } },
      "register",
      "deregister --on-failure fail",
    ],
    [
      "hooks.deregister.enabled=false",
      { deregister: { enabled: false } },
      "register --wait 10s --on-unconfirmed warn",
      undefined,
    ],
  ];
  test.each(wishes)(
    "hooks with %s",
    async (_name, hooks, register, deregister) => {
      const manifests = await render(AGENT_CHART, agent({}, { hooks }));
      expect(jobOf(manifests, "edge-register").args.join(" ")).toBe(register);
      const isThere = manifests.some(({ metadata }) => metadata.name === "edge-deregister");
      expect(isThere).toBe(deregister !== undefined);
      if (deregister !== undefined) {
        expect(jobOf(manifests, "edge-deregister").args.join(" ")).toBe(deregister);
      }
    },
    LIMIT_MS,
  );
});
