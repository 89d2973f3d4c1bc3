/**
 * WORKER_POD_TEMPLATE: a partial pod template that is merged into the pod of every worker: where it runs,
 * its labels, volumes, further variables and containers. Fields that decide which worker it is, how it
 * ends, and how much of the machine it gets are refused by name. Pure.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../../../../shared/result.ts";

/** Admission may add others, such as a service mesh's proxy. */
export const WORKER_CONTAINER = "worker";

type Fields = Readonly<Record<string, unknown>>;

export type PodTemplate = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Fields;
};

/** A value that YAML or helm took for a number or a boolean is meant as text. */
const Texts = v.nullish(
  v.record(
    v.string(),
    v.pipe(v.union([v.string(), v.number(), v.boolean()], "must be text"), v.transform(String)),
  ),
  {},
);
const Named = v.looseObject({ name: v.string("must be text: each is known by its name") });
const List = v.optional(v.array(Named, "must be a list"), []);
const Container = v.looseObject({
  ...Named.entries,
  env: List,
  resources: v.optional(v.looseObject({ limits: v.optional(v.looseObject({}), {}) }), {}),
  securityContext: v.nullish(v.looseObject({ privileged: v.optional(v.unknown()) }), {}),
});
const Owned = v.looseObject({
  containers: v.optional(v.array(Container, "must be a list"), []),
  initContainers: v.optional(v.array(Container, "must be a list"), []),
  volumes: List,
});
const strictly = ({ expected }: v.StrictObjectIssue): string =>
  expected === "never"
    ? "is not known: a template has metadata (labels, annotations) and spec"
    : "must be an object";
const Template = v.strictObject(
  {
    /** As in a complete pod, from which the template may be copied. */
    apiVersion: v.optional(v.literal("v1", "must be v1")),
    kind: v.optional(v.literal("Pod", "must be Pod")),
    metadata: v.nullish(v.strictObject({ labels: Texts, annotations: Texts }, strictly), {}),
    spec: v.nullish(v.looseObject({}, "must be an object"), {}),
  },
  strictly,
);

const OURS_OF_POD: Fields = {
  restartPolicy: "a worker's pod runs once, and the control plane starts the next one",
  serviceAccountName: "set WORKER_SERVICE_ACCOUNT",
  serviceAccount: "set WORKER_SERVICE_ACCOUNT",
  terminationGracePeriodSeconds: "every worker is given the same time to stop",
  activeDeadlineSeconds: "it would end the worker of a living cluster",
  ephemeralContainers: "they belong to a pod that runs",
  hostNetwork: "workers are kept apart from their node",
  hostPID: "workers are kept apart from their node",
  hostIPC: "workers are kept apart from their node",
};
const OURS_OF_WORKER: Fields = {
  image: "set GRAPH_BUILDER_IMAGE",
  restartPolicy: "a worker's pod runs once, and the control plane starts the next one",
  restartPolicyRules: "a worker's pod runs once, and the control plane starts the next one",
};
const LIMITS: Fields = { memory: "set GB_MEMORY_LIMIT", cpu: "set GB_CPU_LIMIT" };
const OURS_OF_METADATA =
  /^(?:outrider\..*|batch\.kubernetes\.io\/.*|job-name|controller-uid|app\.kubernetes\.io\/(?:managed-by|name|component))$/u;
const OUR_VARIABLES = /^(?:CLIENT_ID|KAFKA_GROUP|OUTRIDER_.*)$/u;

/**
 * Parses YAML or JSON. Undefined when it is empty, so that an empty file changes no worker. The error names
 * every field that is wrong, and why.
 */
export function parsePodTemplate(text: string): Result<PodTemplate | undefined, string> {
  const read = readYaml(text);
  if (!read.ok) return read;
  // Several documents are also read as a list.
  if (Array.isArray(read.value)) return err("it must be an object, in one document");
  const shape = v.safeParse(Template, read.value ?? {});
  if (!shape.success) return err(issuesText(shape.issues));
  const { metadata, spec } = shape.output;
  const owned = v.safeParse(Owned, spec ?? {});
  if (!owned.success) return err(issuesText(owned.issues, "spec."));
  const labels = metadata?.labels ?? {};
  const annotations = metadata?.annotations ?? {};
  const wrong = [
    ...namesOfOurs("metadata.labels", labels, OURS_OF_METADATA),
    ...namesOfOurs("metadata.annotations", annotations, OURS_OF_METADATA),
    ...ours("spec", owned.output, OURS_OF_POD),
    ...owned.output.initContainers.flatMap(ofOther),
    ...owned.output.containers.flatMap((each) =>
      each.name === WORKER_CONTAINER ? ofWorker(each) : ofOther(each),
    ),
  ];
  if (wrong.length > 0) return err(wrong.join("; "));
  const isEmpty = [labels, annotations, spec ?? {}].every((each) => Object.keys(each).length === 0);
  return ok(isEmpty ? undefined : { labels, annotations, spec: spec ?? {} });
}

function readYaml(text: string): Result<unknown, string> {
  try {
    const read: unknown = Bun.YAML.parse(text);
    return ok(read);
  } catch (cause) {
    return err(`is neither YAML nor JSON: ${cause instanceof Error ? cause.message : cause}`);
  }
}

const issuesText = (issues: readonly v.BaseIssue<unknown>[], prefix = ""): string =>
  issues.map((issue) => `${prefix}${v.getDotPath(issue) ?? "it"} ${issue.message}`).join("; ");

const ours = (where: string, fields: Fields, owned: Fields): string[] =>
  Object.keys(owned).flatMap((name) =>
    fields[name] === undefined ? [] : [`${where}.${name} is ours: ${owned[name]}`],
  );

const namesOfOurs = (where: string, fields: Fields, pattern: RegExp): string[] =>
  Object.keys(fields)
    .filter((name) => pattern.test(name))
    .map((name) => `${where}.${name} is ours: it says which worker this is`);

type OneContainer = v.InferOutput<typeof Container>;

function ofWorker(container: OneContainer): string[] {
  const where = `spec.containers[${WORKER_CONTAINER}]`;
  const { env, resources } = container;
  const variables = Object.fromEntries(env.map(({ name }) => [name, true]));
  return [
    ...ours(where, container, OURS_OF_WORKER),
    ...ours(`${where}.resources.limits`, resources.limits, LIMITS),
    ...namesOfOurs(`${where}.env`, variables, OUR_VARIABLES),
    ...privileged(where, container),
  ];
}

const ofOther = (container: OneContainer): string[] =>
  privileged(`spec.*Containers[${container.name}]`, container);

const privileged = (where: string, { securityContext }: OneContainer): string[] =>
  securityContext?.privileged === true
    ? [`${where}.securityContext.privileged: workers are kept apart from their node`]
    : [];

/** For the spec hash: equal for equal content, however it is formatted. */
export const podTemplateText = (template: PodTemplate): string => JSON.stringify(sorted(template));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}
