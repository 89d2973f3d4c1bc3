/**
 * What every object of our charts keeps to: Pod Security "restricted", the rules that linters of charts
 * share (kube-linter's defaults), and some of ours. A rule gives what is wrong, in words. Pure.
 */
import { type Container, type Manifest, type PodSpec, podOf } from "./manifest.ts";

type Wrong = readonly string[];

export const violations = (manifests: readonly Manifest[]): Wrong =>
  manifests.flatMap((manifest) => {
    const where = `${manifest.kind} ${manifest.metadata.name}`;
    const pod = podOf(manifest);
    const wrong = [...ofObject(manifest), ...(pod === undefined ? [] : ofPod(pod, manifest))];
    return wrong.map((text) => `${where}: ${text}`);
  });

const unless = (fine: boolean, text: string): Wrong => (fine ? [] : [text]);

function ofObject({ kind, metadata, rules }: Manifest): Wrong {
  const labels = ["name", "instance", "version", "managed-by"].map(
    (label) => `app.kubernetes.io/${label}`,
  );
  const isOfCluster = kind.startsWith("Cluster");
  // What it collects is the whole cluster's; which kinds: charts-collector.test.ts.
  const isCollector = metadata.labels["app.kubernetes.io/component"] === "collector";
  return [
    ...unless(metadata.namespace !== undefined || isOfCluster, "has no namespace"),
    ...unless(metadata.name.length <= 63, `has a name of ${metadata.name.length} characters`),
    ...unless(!isOfCluster || metadata.namespace === undefined, "has a namespace"),
    ...rules.flatMap(({ resourceNames, verbs }) =>
      unless(
        !isOfCluster || resourceNames !== undefined || (isCollector && onlyReads(verbs)),
        "allows it in the whole cluster",
      ),
    ),
    ...labels.flatMap((label) => unless(label in metadata.labels, `lacks the label ${label}`)),
    ...rules.flatMap(({ verbs, resources, apiGroups }) => {
      const all = [...verbs, ...resources, ...apiGroups];
      return unless(!all.includes("*"), "allows everything of something");
    }),
  ];
}

const onlyReads = (verbs: readonly string[]): boolean =>
  verbs.every((verb) => ["get", "list", "watch"].includes(verb));

const FORBIDDEN = ["hostNetwork", "hostPID", "hostIPC"];

function ofPod(pod: PodSpec, { kind }: Manifest): Wrong {
  const isLasting = kind === "Deployment" || kind === "StatefulSet";
  const { runAsNonRoot, runAsUser, seccompProfile } = pod.securityContext;
  return [
    ...FORBIDDEN.flatMap((name) => unless(!(name in pod), `has ${name}`)),
    ...unless(!pod.volumes.some((volume) => "hostPath" in volume), "mounts a path of the host"),
    ...unless(runAsNonRoot === true && (runAsUser ?? 0) > 0, "may run as root"),
    ...unless(seccompProfile?.type === "RuntimeDefault", "has no seccomp profile"),
    ...unless((pod.serviceAccountName ?? "default") !== "default", "uses the default account"),
    ...unless(pod.automountServiceAccountToken !== undefined, "leaves its token to a default"),
    ...pod.containers.flatMap((container) => [
      ...ofContainer(container),
      ...(isLasting ? ofProbes(container) : []),
    ]),
    ...pod.initContainers.flatMap(ofContainer),
  ];
}

function ofContainer({ name, image, securityContext: own, resources, ...rest }: Container): Wrong {
  const tag = /@sha256:[0-9a-f]{64}$|:(?<tag>[\w.-]+)$/u.exec(image);
  const bounded = ["cpu", "memory"].every(
    (each) => each in (resources.requests ?? {}) && each in (resources.limits ?? {}),
  );
  const secretInValue = rest.env.filter(
    ({ name: variable, value }) => /PASS|SECRET|TOKEN/u.test(variable) && isPlain(variable, value),
  );
  return [
    ...unless(tag !== null && tag.groups?.["tag"] !== "latest", `image ${image} has no fixed tag`),
    ...unless(own.allowPrivilegeEscalation === false, "may gain privileges"),
    ...unless(own.readOnlyRootFilesystem === true, "may write to its root"),
    ...unless(own.capabilities?.drop.join() === "ALL", "keeps capabilities"),
    ...unless(bounded, "has no requests and limits of both cpu and memory"),
    ...unless(
      !rest.volumeMounts.some(({ mountPath }) => /docker\.sock/u.test(mountPath)),
      "socket",
    ),
    ...secretInValue.map(({ name: variable }) => `${variable} is a secret in a plain value`),
  ].map((text) => `container ${name}: ${text}`);
}

/** A file's path, the name of a Secret or a switch is no secret. */
const isPlain = (variable: string, value: string | undefined): boolean =>
  value !== undefined &&
  !variable.endsWith("_FILE") &&
  variable !== "WORKER_SECRET" &&
  !["true", "false"].includes(value);

const ofProbes = (container: Container): Wrong =>
  (["startupProbe", "livenessProbe", "readinessProbe"] as const).flatMap((probe) =>
    unless(container[probe] !== undefined, `container ${container.name}: has no ${probe}`),
  );
