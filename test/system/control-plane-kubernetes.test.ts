/** The compiled control plane on a real Kubernetes and a real Kafka; its workers are `sidecar ingest`. */
import { beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { binaries } from "../bed/binaries.ts";
import { until } from "../bed/condition.ts";
import type { ControlPlane } from "../bed/control-plane.ts";
import { writeImage } from "../bed/kubernetes/image.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { openGroups } from "../fault/groups.ts";
import { onStage, type Stage } from "../fault/stage.ts";
import { GLIBC_FILES } from "./image-bases.ts";

const TEST_MS = 240_000;
const PATIENCE = { deadlineMs: 60_000, intervalMs: 100 } as const;
const NAMESPACE = "workers";
const IMAGE = "localhost/outrider-ingest:1";
const TRIPLE = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const NAME = "kg-graph-builder-af-1";

let bed: KubernetesBed;
beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  await bed.makeNamespace(NAMESPACE, { restricted: true });
  const tar = join(bed.directory, "ingest.tar");
  const libraries = GLIBC_FILES.map((name) => [`/lib/${name}`, `/usr/lib/${TRIPLE}/${name}`]);
  await writeImage(tar, {
    name: IMAGE,
    files: { ...Object.fromEntries(libraries), "/sidecar": (await binaries()).sidecar },
    links: { "/lib64": "lib" },
    entrypoint: ["/sidecar", "ingest"],
    user: "65532:65532",
  });
  await bed.loadImage(tar);
}, 120_000);

const get = (...words: readonly string[]): Promise<string> =>
  bed.kubectl(["get", "-n", NAMESPACE, ...words]);

/** Of the worker's Job; it changes with each incarnation. */
const jobUid = (): Promise<string> => get("job", NAME, "-o", "jsonpath={.metadata.uid}");

async function onCluster(act: (stage: Stage) => Promise<void>): Promise<void> {
  const env = {
    RUNTIME: "kubernetes",
    KUBECONFIG: bed.kubeconfig,
    WORKER_NAMESPACE: NAMESPACE,
    GRAPH_BUILDER_IMAGE: IMAGE,
    GB_MEMORY_LIMIT: "160M",
    GB_CPU_LIMIT: "1",
    NEO4J_PASS: "only-for-workers",
  };
  try {
    await onStage({ kafka: { host: bed.nodeAddress, heap: "384m" }, env }, act);
  } catch (error) {
    process.stderr.write(`${await get("jobs,pods,events")}\n${await bed.logTail(15)}\n`);
    throw error;
  }
}

async function whenRunning(plane: ControlPlane, before = ""): Promise<string> {
  return await until(
    "another worker to run",
    async () => {
      const { worker, error } = (await plane.cluster("af-1")) ?? {};
      if (worker?.state !== "running" || worker.instance === before) {
        throw new Error(`${JSON.stringify(worker)}: ${error}`);
      }
      return worker.instance;
    },
    PATIENCE,
  );
}

test(
  "sidecar control-plane on Kubernetes: spawn, respawn, adoption, replacement, withdrawal",
  async () => {
    await onCluster(async ({ kafka, lead, sender, beats, fleet, atEnd }) => {
      const groups = openGroups(kafka.bootstrap);
      atEnd(groups.close);
      const plane = await lead();
      expect(plane.process.output()).toContain("runtime=kubernetes");

      await sender.register("af-1");
      beats.on("af-1");
      const first = await whenRunning(plane);
      expect(await jobUid()).toBe(first);
      expect(fleet.workers()).toMatchObject([{ clientId: "af-1" }]);
      const [worker] = fleet.workers();
      expect(worker?.environment).toMatchObject({
        CLIENT_ID: "af-1",
        KAFKA_GROUP: "kg-builder-af-1",
        KAFKA_BROKERS: kafka.bootstrap,
        NEO4J_PASS: "only-for-workers",
        OUTRIDER_INSTANCE: first,
      });
      expect(await get("jobs,pods", "-o", "json")).not.toContain("only-for-workers");
      await groups.commit("another", 1);
      const listGroups = kafka.tools.listGroups;
      await until(
        "the worker to be in its group",
        async () => (await listGroups()).includes("kg-builder-af-1"),
        PATIENCE,
      );

      process.kill(worker?.pid ?? 0, "SIGKILL");
      const second = await whenRunning(plane, first);
      expect((await plane.cluster("af-1"))?.worker?.restarts).toBe(1);

      await plane.process.stop(0);
      const next = await lead({ GB_MEMORY_LIMIT: "160M" });
      expect(await whenRunning(next)).toBe(second);
      await next.process.stop();
      expect(await jobUid()).toBe(second);

      const other = await lead({ GB_MEMORY_LIMIT: "176M" });
      const third = await whenRunning(other, second);
      expect(await jobUid()).toBe(third);
      expect(await get("job", NAME, "-o", "jsonpath={..limits.memory}")).toBe("176Mi");

      await sender.withdraw("af-1");
      await until(
        "the withdrawal to be done",
        async () => (await other.cluster("af-1"))?.withdrawal === "done",
        PATIENCE,
      );
      expect(await get("jobs,pods", "-o", "name")).toBe("");
      expect(fleet.workers()).toEqual([]);
      const left = (await listGroups()).filter((group) => group.startsWith("kg-builder-"));
      expect(left).toEqual(["kg-builder-another"]);
      await until(
        "its Secrets are gone",
        async () => (await get("secrets", "-o", "name")) === "",
        PATIENCE,
      );
    });
  },
  TEST_MS,
);

test(
  "sidecar control-plane says which permission the runtime lacks, and does not begin",
  async () => {
    await bed.kubectl(["create", "serviceaccount", "nobody", "-n", NAMESPACE]);
    const { sidecar } = await binaries();
    const child = Bun.spawn([sidecar, "control-plane"], {
      env: {
        K8S_MODE: "true",
        KUBECONFIG: await bed.kubeconfigOf(NAMESPACE, "nobody"),
        KAFKA_BROKERS: "127.0.0.1:1",
        HOME: bed.directory,
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
    expect(said).toContain(
      `RUNTIME=kubernetes: ServiceAccount ${NAMESPACE}/nobody may not get namespaces kube-system: grant the verb by a ClusterRole`,
    );
    expect(code).toBe(77);
  },
  TEST_MS,
);

const wrongTemplates: readonly (readonly [string, string])[] = [
  ["spec: {restartPolicy: Always}", "spec.restartPolicy is ours"],
  ["spec: {tolerationz: []}", 'unknown field "spec.template.spec.tolerationz"'],
  ["spec: {tolerations: {key: a}}", "tolerations"],
  [
    "spec: {containers: [{name: worker, volumeMounts: [{name: ca, mountPath: /ca}]}]}",
    'volumeMounts[1].name: Not found: "ca"',
  ],
];

test(
  "sidecar control-plane refuses a pod template at the start, and says what is wrong with it",
  async () => {
    const { sidecar } = await binaries();
    const path = join(bed.directory, "template.yaml");
    for (const [template, why] of wrongTemplates) {
      await Bun.write(path, template);
      const child = Bun.spawn([sidecar, "control-plane"], {
        env: {
          ...{ K8S_MODE: "true", KUBECONFIG: bed.kubeconfig, WORKER_NAMESPACE: NAMESPACE },
          ...{ WORKER_POD_TEMPLATE: path, KAFKA_BROKERS: "127.0.0.1:1", HOME: bed.directory },
        },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      });
      const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
      expect(said).toMatch(/WORKER_POD_TEMPLATE/u);
      expect(said).toContain(why);
      expect(code).toBe(64);
    }
  },
  TEST_MS,
);
