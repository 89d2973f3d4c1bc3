/** What helm renders, read as the API server would: only what tests ask about is known. */
import * as v from "valibot";
import { openHelm } from "../bed/helm.ts";

const ROOT = `${import.meta.dir}/../..`;
export type ChartName = "agent" | "sidecar" | "cluster-info-collector";
export const chartPath = (chart: ChartName): string => `${ROOT}/charts/${chart}`;

const Text = v.record(v.string(), v.string());
/** The path is empty where a probe asks otherwise than by HTTP. */
const Probe = v.looseObject({
  httpGet: v.optional(v.looseObject({ path: v.string() }), { path: "" }),
});
const EnvVar = v.looseObject({
  name: v.string(),
  value: v.optional(v.string()),
  valueFrom: v.optional(
    v.object({ secretKeyRef: v.optional(v.object({ name: v.string(), key: v.string() })) }),
  ),
});
const Container = v.looseObject({
  name: v.string(),
  image: v.string(),
  args: v.optional(v.array(v.string()), []),
  env: v.optional(v.array(EnvVar), []),
  restartPolicy: v.optional(v.string()),
  resources: v.optional(v.object({ requests: v.optional(Text), limits: v.optional(Text) }), {}),
  securityContext: v.optional(
    v.looseObject({
      allowPrivilegeEscalation: v.optional(v.boolean()),
      readOnlyRootFilesystem: v.optional(v.boolean()),
      runAsNonRoot: v.optional(v.boolean()),
      capabilities: v.optional(v.object({ drop: v.array(v.string()) })),
      seccompProfile: v.optional(v.object({ type: v.string() })),
    }),
    {},
  ),
  volumeMounts: v.optional(v.array(v.looseObject({ name: v.string(), mountPath: v.string() })), []),
  startupProbe: v.optional(Probe),
  livenessProbe: v.optional(Probe),
  readinessProbe: v.optional(Probe),
  lifecycle: v.optional(v.looseObject({ preStop: v.optional(Probe) })),
});
export type Container = v.InferOutput<typeof Container>;

const PodSpec = v.looseObject({
  serviceAccountName: v.optional(v.string()),
  automountServiceAccountToken: v.optional(v.boolean()),
  restartPolicy: v.optional(v.string()),
  shareProcessNamespace: v.optional(v.boolean()),
  terminationGracePeriodSeconds: v.optional(v.number()),
  securityContext: v.optional(
    v.looseObject({
      runAsNonRoot: v.optional(v.boolean()),
      runAsUser: v.optional(v.number()),
      seccompProfile: v.optional(v.object({ type: v.string() })),
    }),
    {},
  ),
  containers: v.array(Container),
  initContainers: v.optional(v.array(Container), []),
  volumes: v.optional(v.array(v.looseObject({ name: v.string() })), []),
});
export type PodSpec = v.InferOutput<typeof PodSpec>;

const Rule = v.object({
  apiGroups: v.array(v.string()),
  resources: v.array(v.string()),
  verbs: v.array(v.string()),
  resourceNames: v.optional(v.array(v.string())),
});

const Manifest = v.looseObject({
  apiVersion: v.string(),
  kind: v.string(),
  metadata: v.looseObject({
    name: v.string(),
    namespace: v.optional(v.string()),
    labels: v.optional(Text, {}),
    annotations: v.optional(Text, {}),
  }),
  rules: v.optional(v.array(Rule), []),
  stringData: v.optional(Text, {}),
  spec: v.optional(v.looseObject({}), {}),
});
export type Manifest = v.InferOutput<typeof Manifest>;

export type Values = Readonly<Record<string, unknown>>;

/** The rendered objects. @throws Error with what helm said */
export async function render(
  chart: string,
  values: Values,
  { release = "edge", namespace = "outrider" } = {},
): Promise<readonly Manifest[]> {
  const { code, stdout, stderr } = await template(chart, values, release, namespace);
  if (code !== 0) throw new Error(stderr);
  return parseManifests(stdout);
}

/** Of YAML with one document or several. */
export function parseManifests(yaml: string): readonly Manifest[] {
  const documents: unknown = Bun.YAML.parse(yaml);
  const list = Array.isArray(documents) ? documents : [documents];
  return v.parse(v.array(Manifest), list.filter(Boolean));
}

/** Why helm refuses these values; undefined when it does not. */
export async function refusal(chart: string, values: Values): Promise<string | undefined> {
  const { code, stderr } = await template(chart, values, "edge", "outrider");
  return code === 0 ? undefined : stderr;
}

async function template(chart: string, values: Values, release: string, namespace: string) {
  const helm = await openHelm();
  // Each top-level value as JSON, so that no file is left behind.
  const sets = Object.entries(values).flatMap(([name, value]) => [
    "--set-json",
    `${name}=${JSON.stringify(value)}`,
  ]);
  return await helm("template", release, chart, "--namespace", namespace, ...sets);
}

export const named = (manifests: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  const there = manifests.map((each) => `${each.kind} ${each.metadata.name}`).join(", ");
  if (found === undefined) throw new Error(`no ${kind} ${name} among ${there}`);
  return found;
};

const Templated = v.looseObject({ template: v.looseObject({ spec: PodSpec }) });
const Scheduled = v.looseObject({ jobTemplate: v.looseObject({ spec: Templated }) });

/** The pod that a workload makes, or is; undefined of what makes none. */
export function podOf({ kind, spec }: Manifest): PodSpec | undefined {
  if (kind === "Pod") return v.parse(PodSpec, spec);
  if (kind === "CronJob") return v.parse(Scheduled, spec).jobTemplate.spec.template.spec;
  if (!["Deployment", "StatefulSet", "Job"].includes(kind)) return undefined;
  return v.parse(Templated, spec).template.spec;
}

/** Its only container's, with a stand-in for what a Secret gives. */
export function environmentOf(pod: PodSpec): Readonly<Record<string, string>> {
  const [container] = pod.containers;
  const entries = (container?.env ?? []).map(({ name, value, valueFrom }): [string, string] => [
    name,
    value ?? `secret ${valueFrom?.secretKeyRef?.name}/${valueFrom?.secretKeyRef?.key}`,
  ]);
  return Object.fromEntries(entries);
}
