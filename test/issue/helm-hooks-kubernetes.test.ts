/**
 * A hook's tolerance must not depend on what failed: an uninstall that forgives everything hung where its
 * pod shared the Deployment's size or Secret, or had a mesh's proxy put beside it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";
import { createAuthority } from "../bed/certificate.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { agentValues, IMAGES, loadIdle, loadProgram } from "../system/helm-scene.ts";
import { chartPath, type Values } from "../system/manifest.ts";

const START_MS = 240_000;
const LIMIT_MS = 150_000;
/** helm's; a hook that cannot end would have another 60 s at least. */
const TIMEOUT = ["--timeout", "40s"];
/** Nobody is there: these hooks have nothing to ask. */
const HOOKS = { timeoutSeconds: 5, backoffLimit: 0 };

let bed: KubernetesBed;
let brokers: string;
let mesh: { readonly stop: () => void };

beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  brokers = `${bed.nodeAddress}:9`;
  await loadIdle(bed);
  await loadProgram(bed, { name: IMAGES.agent, program: "agent" });
  mesh = await startMesh(bed);
}, START_MS);
afterAll(() => mesh?.stop());

/** helm in a namespace, and what it says: standard output, or the error. */
const helmIn = (namespace: string) => {
  const run = async (...words: readonly string[]) =>
    await bed
      .helm([...words.slice(0, 1), ...TIMEOUT, ...words.slice(1), "--namespace", namespace])
      .catch(String);
  return {
    install: async (values: Values, ...flags: readonly string[]) => {
      const file = join(bed.directory, `${namespace}.json`);
      await Bun.write(file, JSON.stringify(values));
      return await run("install", "edge", chartPath("agent"), "-f", file, ...flags);
    },
    uninstall: (...flags: readonly string[]) => run("uninstall", "edge", ...flags),
    /** What helm keeps of releases, in whichever state: its versions list them by different flags. */
    releases: () =>
      bed.kubectl(["get", "secrets", "-n", namespace, "-l", "owner=helm", "-o", "name"]),
  };
};

test(
  "--atomic without room for the Deployment ends with nothing left",
  async () => {
    await bed.makeNamespace("full");
    const helm = helmIn("full");
    const requests = { cpu: "20m", memory: "4Ti" };
    const resources = { requests, limits: { ...requests, cpu: "1" } };
    const values = { ...agentValues("af-1", { brokers }, HOOKS), resources };
    // Helm 4 calls it --rollback-on-failure, and takes both.
    const said = await helm.install(values, "--wait", "--atomic", "--timeout", "15s");
    expect(said).toContain("has been uninstalled due to");
    expect(await helm.releases()).toBe("");
    expect(await bed.kubectl(["get", "deployments,pods", "-n", "full", "-o", "name"])).toBe("");
  },
  LIMIT_MS,
);

test(
  "with its Secret gone a release is uninstalled; onFailure=fail names what is missing at once",
  async () => {
    await bed.makeNamespace("bare");
    const helm = helmIn("bare");
    const kafka = { brokers, sasl: { enabled: true, existingSecret: "gone" } };
    const fails = { ...HOOKS, deregister: { onFailure: "fail" } };
    await helm.install(agentValues("af-2", kafka, fails), "--no-hooks");
    expect(await helm.uninstall()).toMatch(/edge-deregister.*failed/su);
    const log = await bed.kubectl(["logs", "-n", "bare", "job/edge-deregister"]);
    expect(log).toMatch(/SASL_USERNAME|SASL_PASSWORD/u);
    // What NOTES and the documents say is the way out of a release that stays.
    expect(await helm.uninstall("--no-hooks")).toContain('release "edge" uninstalled');
    await helm.install(agentValues("af-2", kafka, HOOKS), "--no-hooks");
    expect(await helm.uninstall()).toContain('release "edge" uninstalled');
    expect(await helm.releases()).toBe("");
  },
  LIMIT_MS,
);

test(
  "where a mesh puts its proxy into every pod, hooks get none and end",
  async () => {
    await bed.makeNamespace("meshed");
    const helm = helmIn("meshed");
    await bed.kubectl(["label", "namespace", "meshed", "mesh=on"]);
    const values = agentValues("af-3", { brokers }, HOOKS);
    // The hook of the installation wants a Kafka and ends for that, in the time it was given.
    expect(await helm.install(values)).toContain("post-install");
    const containers = async (component: string) =>
      await bed.kubectl([
        ...["get", "pods", "-n", "meshed", "-l", `app.kubernetes.io/component=${component}`],
        ...["-o", "jsonpath={.items[*].spec.containers[*].name}"],
      ]);
    expect(await containers("state-watcher")).toBe("agent istio-proxy linkerd-proxy");
    expect(await containers("register")).toBe("agent");
    const ofRegister = await bed.kubectl(["logs", "-n", "meshed", "job/edge-register"]);
    expect(ofRegister).toContain("cannot be reached within HOOK_TIMEOUT");
    expect(await helm.uninstall()).toContain('release "edge" uninstalled');
  },
  LIMIT_MS,
);

const Review = v.object({
  request: v.object({
    uid: v.string(),
    object: v.object({
      metadata: v.object({
        labels: v.optional(v.record(v.string(), v.string()), {}),
        annotations: v.optional(v.record(v.string(), v.string()), {}),
      }),
    }),
  }),
});

/** Injects as Istio and Linkerd do: into each pod of a namespace that does not say no in their words. */
async function startMesh({ directory, nodeAddress, apply }: KubernetesBed) {
  const authority = await createAuthority(join(directory, "mesh"));
  const { certFile, keyFile } = await authority.issue({
    name: "webhook",
    commonName: "webhook",
    usage: "server",
    subjectAltNames: [`IP:${nodeAddress}`],
  });
  const server = Bun.serve({
    port: 0,
    hostname: nodeAddress,
    tls: { cert: Bun.file(certFile), key: Bun.file(keyFile) },
    fetch: async (request) => Response.json(reviewed(v.parse(Review, await request.json()))),
  });
  await apply({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: "mesh" },
    webhooks: [
      {
        name: "mesh.bed.local",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        namespaceSelector: { matchLabels: { mesh: "on" } },
        rules: [
          { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] },
        ],
        clientConfig: {
          url: `https://${nodeAddress}:${server.port}/`,
          caBundle: Buffer.from(await Bun.file(authority.caFile).text()).toString("base64"),
        },
      },
    ],
  });
  return { stop: () => void server.stop(true) };
}

function reviewed({ request }: v.InferOutput<typeof Review>): object {
  const { labels, annotations } = request.object.metadata;
  const proxies = [
    ...(labels["sidecar.istio.io/inject"] === "false" ? [] : ["istio-proxy"]),
    ...(annotations["linkerd.io/inject"] === "disabled" ? [] : ["linkerd-proxy"]),
  ];
  const patch = proxies.map((name) => ({
    ...{ op: "add", path: "/spec/containers/-" },
    value: { name, image: IMAGES.idle, securityContext: { runAsUser: 65_533 } },
  }));
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: {
      uid: request.uid,
      allowed: true,
      patchType: "JSONPatch",
      patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
    },
  };
}
