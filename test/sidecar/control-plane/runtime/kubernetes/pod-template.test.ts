/** WORKER_POD_TEMPLATE: what is read and refused, and what it makes of a worker's Job. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  workerJob,
  workerSecret,
} from "../../../../../sidecar/control-plane/runtime/kubernetes/manifest.ts";
import { withPodTemplate } from "../../../../../sidecar/control-plane/runtime/kubernetes/pod-merge.ts";
import {
  type PodTemplate,
  parsePodTemplate,
  podTemplateText,
} from "../../../../../sidecar/control-plane/runtime/kubernetes/pod-template.ts";
import { specOf } from "../../../../contract/runtime-subject.ts";

const settings = {
  ...{ image: "worker:1", memoryBytes: 64 * 1024 * 1024, cpuMillis: 500, graceMs: 10_000 },
  ...{ serviceAccount: "default", secretName: undefined },
};
const spec = { ...specOf("af-1"), secrets: { NEO4J_PASS: "secret" } };

function read(template: string): PodTemplate | undefined {
  const parsed = parsePodTemplate(template);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const podOf = (template: string) => {
  const job: unknown = withPodTemplate(workerJob(spec, settings, "own"), read(template));
  return JSON.parse(JSON.stringify(job)).spec.template;
};
const plain = podOf("");

describe("parsePodTemplate()", () => {
  test.each([
    "",
    "\n# nothing\n",
    "{}",
    "spec: {}",
    "metadata:\nspec:\n",
    "metadata: {labels: {}}",
  ])("%j says nothing", (text) => expect(read(text)).toBeUndefined());

  const worker = (fields: string) => `spec: {containers: [{name: worker, ${fields}}]}`;
  test.each([
    ["spec: [", "neither YAML nor JSON"],
    ["template: {spec: {}}", "template"],
    ["apiVersion: apps/v1\nkind: Deployment\nspec: {}", "kind must be Pod"],
    ["- a", "it must be an object"],
    ["metadata: {name: x}", "metadata.name"],
    ["metadata: {labels: {a: [1]}}", "metadata.labels.a"],
    ["spec: {restartPolicy: Always}", "spec.restartPolicy"],
    ["spec: {serviceAccountName: x}", "WORKER_SERVICE_ACCOUNT"],
    ["spec: {terminationGracePeriodSeconds: 1}", "terminationGracePeriodSeconds"],
    ["spec: {activeDeadlineSeconds: 1}", "activeDeadlineSeconds"],
    ["spec: {hostNetwork: true}", "hostNetwork"],
    ["spec: {containers: {name: worker}}", "spec.containers must be a list"],
    ["spec: {containers: [{image: x}]}", "spec.containers.0.name"],
    ["metadata: {labels: {outrider.client-id: x}}", "outrider.client-id"],
    ["metadata: {labels: {batch.kubernetes.io/job-name: x}}", "batch.kubernetes.io/job-name"],
    ["metadata: {labels: {app.kubernetes.io/managed-by: x}}", "managed-by"],
    ["metadata: {annotations: {outrider.name: x}}", "metadata.annotations.outrider.name"],
    [worker("image: x"), "GRAPH_BUILDER_IMAGE"],
    [worker("resources: {limits: {memory: 1Gi}}"), "GB_MEMORY_LIMIT"],
    [worker("resources: {limits: {cpu: 1}}"), "GB_CPU_LIMIT"],
    [worker("env: [{name: CLIENT_ID, value: x}]"), "CLIENT_ID"],
    [worker("env: [{name: KAFKA_GROUP, value: x}]"), "KAFKA_GROUP"],
    [worker("env: [{name: OUTRIDER_FLEET, value: x}]"), "OUTRIDER_FLEET"],
    [worker("securityContext: {privileged: true}"), "privileged"],
    ["spec: {initContainers: [{name: a, securityContext: {privileged: true}}]}", "privileged"],
  ])("%s is refused, by name", (text, name) => {
    const parsed = parsePodTemplate(text);
    expect(parsed.ok ? "taken" : parsed.error).toContain(name);
  });

  test("all that is wrong is named at once", () => {
    const parsed = parsePodTemplate("spec: {restartPolicy: Never, hostPID: true}");
    expect(parsed.ok ? "" : parsed.error).toMatch(/restartPolicy.*; spec\.hostPID/u);
  });

  test("is the same for the same content, however it is written", () => {
    const one = read("spec: {nodeSelector: {a: x, b: y}}\nmetadata: {labels: {c: 1}}");
    const other = read(
      '{"metadata":{"labels":{"c":"1"}},"spec":{"nodeSelector":{"b":"y","a":"x"}}}',
    );
    if (one === undefined || other === undefined) throw new Error("nothing");
    expect(podTemplateText(one)).toBe(podTemplateText(other));
  });
});

describe("withPodTemplate()", () => {
  test("adds what a pod may have: place, labels, pull secrets, containers", () => {
    const pod = podOf(`
metadata:
  labels: {team: edge, sidecar.istio.io/inject: false}
  annotations: {note: "1"}
spec:
  nodeSelector: {disk: ssd}
  tolerations: [{key: edge, operator: Exists}]
  affinity: {nodeAffinity: {}}
  priorityClassName: high
  imagePullSecrets: [{name: pull}]
  initContainers: [{name: fetch, image: "fetch:1"}]
  containers: [{name: beside, image: "beside:1"}]
`);
    expect(pod.metadata.labels).toEqual({
      ...plain.metadata.labels,
      ...{ team: "edge", "sidecar.istio.io/inject": "false" },
    });
    expect(pod.metadata.annotations).toEqual({ ...plain.metadata.annotations, note: "1" });
    expect(pod.spec).toMatchObject({
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "edge", operator: "Exists" }],
      priorityClassName: "high",
      imagePullSecrets: [{ name: "pull" }],
      initContainers: [{ name: "fetch", image: "fetch:1" }],
    });
    expect(pod.spec.containers).toEqual([
      plain.spec.containers[0],
      { name: "beside", image: "beside:1" },
    ]);
  });

  test("lays the worker's fields over ours: variables by name, mounts by path, the rest kept", () => {
    const pod = podOf(`
spec:
  securityContext: {fsGroup: 1, runAsUser: null}
  volumes: [{name: ca, secret: {secretName: kafka-ca}}, {name: tmp, emptyDir: {sizeLimit: 1Gi}}]
  containers:
    - name: worker
      resources: {requests: {cpu: 10m}, limits: {ephemeral-storage: 1Gi}}
      env: [{name: TLS_CA_FILE, value: /ca/ca.crt}, {name: LOG_LEVEL, value: debug}]
      envFrom: [{configMapRef: {name: theirs}}]
      volumeMounts: [{name: ca, mountPath: /ca, readOnly: true}]
`);
    const [own] = plain.spec.containers;
    const [worker] = pod.spec.containers;
    expect(pod.spec.securityContext).toEqual({
      ...{ runAsNonRoot: true, runAsGroup: 65_532, fsGroup: 1 },
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(pod.spec.volumes).toEqual([
      { name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
      { name: "ca", secret: { secretName: "kafka-ca" } },
    ]);
    expect(worker.resources).toEqual({
      requests: { ...own.resources.requests, cpu: "10m" },
      limits: { ...own.resources.limits, "ephemeral-storage": "1Gi" },
    });
    // The last one wins in Kubernetes: the worker's own secrets.
    expect(worker.envFrom).toEqual([{ configMapRef: { name: "theirs" } }, ...own.envFrom]);
    expect(worker.volumeMounts).toEqual([
      { name: "tmp", mountPath: "/tmp" },
      { name: "ca", mountPath: "/ca", readOnly: true },
    ]);
    expect(worker.env).toEqual(
      expect.arrayContaining([
        ...own.env,
        { name: "TLS_CA_FILE", value: "/ca/ca.crt" },
        { name: "LOG_LEVEL", value: "debug" },
      ]),
    );
    expect(worker).toMatchObject({ name: "worker", image: "worker:1" });
  });

  test("whatever is accepted, who the worker is and how it ends stays", () => {
    const names = fc.constantFrom(
      ...["labels", "env", "image", "restartPolicy", "name", "worker", "outrider.fleet", "memory"],
    );
    const values = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>("x", 1, null, true),
        fc.array(tie("any"), { maxLength: 2 }),
        fc.dictionary(names, tie("any"), { maxKeys: 3 }),
      ),
    })).any;
    fc.assert(
      fc.property(fc.record({ metadata: values, spec: values }), (template) => {
        const parsed = parsePodTemplate(JSON.stringify(template));
        if (!parsed.ok || parsed.value === undefined) return;
        const job = withPodTemplate(workerJob(spec, settings, "own"), parsed.value);
        const pod = JSON.parse(JSON.stringify(job)).spec.template;
        expect(pod.metadata.labels).toMatchObject(plain.metadata.labels);
        expect(pod.spec.restartPolicy).toBe("Never");
        expect(pod.spec.containers[0]).toMatchObject({ name: "worker", image: "worker:1" });
      }),
    );
  });
});

describe("workerJob() with files", () => {
  const withFiles = { ...spec, files: { TLS_CA: "PEM\n" } };
  test("mounts them from the worker's own Secret, and names no file as a variable", () => {
    const { spec: job } = workerJob(withFiles, settings, "own");
    const [worker] = job?.template.spec?.containers ?? [];
    expect(worker?.env).toContainEqual({ name: "TLS_CA_FILE", value: "/run/outrider/TLS_CA" });
    expect(worker?.env).toContainEqual({
      name: "NEO4J_PASS",
      valueFrom: { secretKeyRef: { name: "own", key: "NEO4J_PASS" } },
    });
    expect(worker?.envFrom).toBeUndefined();
    expect(worker?.volumeMounts).toContainEqual({
      ...{ name: "outrider-files", mountPath: "/run/outrider", readOnly: true },
    });
    expect(job?.template.spec?.volumes).toContainEqual({
      name: "outrider-files",
      secret: {
        ...{ secretName: "own", defaultMode: 0o444 },
        items: [{ key: "TLS_CA.file", path: "TLS_CA" }],
      },
    });
    expect(JSON.stringify(job)).not.toContain("PEM");
    expect(workerSecret(withFiles, "own", "uid").stringData).toEqual({
      ...{ NEO4J_PASS: "secret", "TLS_CA.file": "PEM\n" },
    });
  });
});
