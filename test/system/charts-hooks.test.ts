/** The pods of the charts' hooks: what is their own, and what they share with the Deployment. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { openHelm } from "../bed/helm.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { chartPath, type Manifest, named, podOf, render, type Values } from "./manifest.ts";

const LIMIT_MS = 60_000;
const AGENT_CHART = chartPath("agent");
const SIDECAR_CHART = chartPath("sidecar");
const HUGE = { requests: { cpu: "100", memory: "1Ti" }, limits: { cpu: "100", memory: "1Ti" } };
const SMALL = {
  requests: { cpu: "10m", memory: "64Mi" },
  limits: { cpu: "200m", memory: "128Mi" },
};
const NO_PROXY = { "sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled" };

const missing = await openHelm().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof BedUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) process.stderr.write(`SKIPPED the charts' hooks: ${missing}\n`);

const agent = (more: Values = {}): Values => ({ client: { id: "af-10" }, ...more });

const Texts = v.optional(v.record(v.string(), v.string()), {});
const Template = v.looseObject({
  metadata: v.looseObject({ labels: Texts, annotations: Texts }),
  spec: v.looseObject({
    nodeSelector: Texts,
    tolerations: v.optional(v.array(v.unknown())),
    priorityClassName: v.optional(v.string()),
  }),
});

function templateOf(manifest: Manifest) {
  if (manifest.kind === "Pod") return v.parse(Template, manifest);
  return v.parse(v.looseObject({ template: Template }), manifest.spec).template;
}

const HOOKS = [
  ["Job", "edge-register"],
  ["Job", "edge-deregister"],
  ["Pod", "edge-check-kafka"],
] as const;

describe.skipIf(missing !== undefined)("the hooks of the charts", () => {
  test(
    "a Deployment of any size leaves the hooks small, unless they are given their own size",
    async () => {
      const own = { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } };
      for (const [hooks, expected] of [
        [{}, SMALL],
        [{ resources: own }, own],
      ] as const) {
        const manifests = await render(AGENT_CHART, agent({ resources: HUGE, hooks }));
        for (const [kind, name] of HOOKS) {
          expect(podOf(named(manifests, kind, name))?.containers[0]?.resources).toEqual(expected);
        }
        const watcher = podOf(named(manifests, "Deployment", "edge-state-watcher"));
        expect(watcher?.containers[0]?.resources).toEqual(HUGE);
      }
    },
    LIMIT_MS,
  );

  test(
    "a mesh is asked for no proxy in a hook, and whoever wants one says so",
    async () => {
      const wish = { "sidecar.istio.io/inject": true, team: "edge", number: 1_000_000 };
      const plain = await render(AGENT_CHART, agent({ podLabels: { team: "edge" } }));
      const meshed = await render(
        AGENT_CHART,
        agent({ hooks: { podLabels: wish, podAnnotations: { "linkerd.io/inject": "enabled" } } }),
      );
      for (const [kind, name] of HOOKS) {
        const { labels, annotations } = templateOf(named(plain, kind, name)).metadata;
        expect(labels).toMatchObject({ ...NO_PROXY, team: "edge" });
        expect(annotations["linkerd.io/inject"]).toBe("disabled");
        const asked = templateOf(named(meshed, kind, name)).metadata;
        // Strings, also of `--set`, which makes booleans and numbers.
        expect(asked.labels).toMatchObject({
          ...{ "sidecar.istio.io/inject": "true", number: "1000000", team: "edge" },
        });
        expect(asked.annotations["linkerd.io/inject"]).toBe("enabled");
      }
      const watcher = templateOf(named(plain, "Deployment", "edge-state-watcher")).metadata;
      expect(Object.keys({ ...watcher.labels, ...watcher.annotations }).join()).not.toMatch(
        /istio|linkerd|kuma/u,
      );
      const sidecar = templateOf(
        named(await render(SIDECAR_CHART, {}), "Pod", "edge-check-kafka"),
      ).metadata;
      expect(sidecar).toMatchObject({
        labels: NO_PROXY,
        annotations: { "linkerd.io/inject": "disabled", "helm.sh/hook": "test" },
      });
    },
    LIMIT_MS,
  );

  test(
    "hooks run where the Deployment does, unless hooks.* says otherwise; {} is otherwise, too",
    async () => {
      const tolerations = [{ key: "edge", operator: "Exists" }];
      const base = { nodeSelector: { a: "1" }, tolerations, priorityClassName: "high" };
      const same = await render(AGENT_CHART, agent(base));
      const hooks = { nodeSelector: {}, tolerations: [], priorityClassName: "low" };
      const other = await render(AGENT_CHART, agent({ ...base, hooks }));
      for (const [kind, name] of HOOKS) {
        expect(templateOf(named(same, kind, name)).spec).toMatchObject(base);
        const { spec } = templateOf(named(other, kind, name));
        expect(spec).toMatchObject({ nodeSelector: {}, priorityClassName: "low" });
        expect(spec.tolerations).toBeUndefined();
      }
    },
    LIMIT_MS,
  );

  test(
    "no value takes the place of a label or an annotation that is ours",
    async () => {
      const labels = { "app.kubernetes.io/name": "theirs", "app.kubernetes.io/component": "x" };
      const annotations = { "helm.sh/hook": "post-delete", "checksum/username": "x" };
      const manifests = await render(
        AGENT_CHART,
        agent({ podLabels: labels, podAnnotations: annotations, hooks: { podLabels: labels } }),
      );
      for (const [kind, name] of [...HOOKS, ["Deployment", "edge-state-watcher"]] as const) {
        const { metadata } = templateOf(named(manifests, kind, name));
        expect(metadata.labels).toMatchObject({
          "app.kubernetes.io/name": "outrider-agent",
          "app.kubernetes.io/component": name.replace("edge-", ""),
        });
      }
      const watcher = templateOf(named(manifests, "Deployment", "edge-state-watcher")).metadata;
      expect(watcher.annotations["checksum/username"]).toMatch(/^[0-9a-f]{64}$/u);
      expect(
        templateOf(named(manifests, "Pod", "edge-check-kafka")).metadata.annotations,
      ).toMatchObject({
        "helm.sh/hook": "test",
      });
    },
    LIMIT_MS,
  );

  test(
    "deregister starts without its Secrets, register waits for them",
    async () => {
      const kafka = {
        sasl: { enabled: true, existingSecret: "own" },
        tls: { enabled: true, existingSecret: "own-tls" },
      };
      const manifests = await render(AGENT_CHART, { client: { id: "af-10", kafka } });
      const optional = (name: string) => {
        const pod = JSON.stringify(podOf(named(manifests, "Job", name))?.volumes);
        const { spec } = named(manifests, "Job", name);
        return {
          volumes: pod.match(/"optional":true/gu)?.length ?? 0,
          all: JSON.stringify(spec).match(/"optional":true/gu)?.length ?? 0,
        };
      };
      expect(optional("edge-deregister")).toEqual({ volumes: 2, all: 3 });
      expect(optional("edge-register")).toEqual({ volumes: 0, all: 0 });
    },
    LIMIT_MS,
  );
});
