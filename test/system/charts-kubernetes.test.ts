/** Both charts on a real cluster, against a real Kafka that the pods reach (issue 5, shows 2). */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { until } from "../bed/condition.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { documentedCommands, typed } from "./documented.ts";
import {
  agentValues,
  IMAGES,
  loadImages,
  openScene,
  type Scene,
  sidecarValues,
  untilReady,
} from "./helm-scene.ts";
import { forget } from "./scenario.ts";

const LIMIT_MS = 400_000;
const START_MS = 240_000;
const USER = { name: "edge", password: "right-password", mechanism: "SCRAM-SHA-512" } as const;
/** As docs/operating.md and the original have it. */
const RELEASE = "kg-rca-agent";
const PLANES = "app.kubernetes.io/component=control-plane";

let bed: KubernetesBed;
let kafka: KafkaBed;

beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  kafka = await startKafka({
    host: bed.nodeAddress,
    listeners: ["SASL_SSL"],
    users: [USER],
  });
  await loadImages(bed);
}, START_MS);
afterAll(() => kafka?.stop());

async function withScene(namespace: string, play: (scene: Scene) => Promise<void>): Promise<void> {
  await bed.makeNamespace(namespace, { restricted: true });
  const scene = openScene(bed, namespace);
  try {
    await play(scene);
  } catch (error) {
    process.stderr.write(`${await scene.evidence()}\n${await kafka.logTail(8)}\n`);
    throw error;
  } finally {
    await bed.kubectl(["delete", "namespace", namespace, "--wait=true", "--timeout=60s"]);
    await forget(kafka);
  }
}

const Pods = v.object({ items: v.array(v.object({ spec: v.looseObject({}) })) });
const podsOf = (json: string) => v.parse(Pods, JSON.parse(json)).items.map(({ spec }) => spec);

const groupOf = (clientId: string) => `kg-builder-${clientId}`;

test(
  "the charts install, upgrade and uninstall a cluster with its worker",
  () =>
    withScene("observability", async (scene) => {
      const brokers = { brokers: kafka.bootstrap };
      await scene.install("sidecar", "op", sidecarValues(brokers));
      await untilReady(scene, PLANES, 2);
      expect(await scene.test("op")).toContain("Kafka is as the control plane needs it.");

      const wish = agentValues("af-10", brokers, { waitForWorker: true });
      expect(await scene.install("agent", RELEASE, wish)).toContain("Its worker runs");
      // At once, without waiting: the release ended when the worker ran.
      const worker = await scene.jobUid("af-10");
      expect(worker).toBeDefined();
      expect(await scene.readyPods("outrider.client-id=af-10")).toHaveLength(1);
      expect(await scene.test(RELEASE)).toContain("Kafka is as the agent needs it.");
      await until(
        "the worker's group",
        async () => (await kafka.tools.listGroups()).includes(groupOf("af-10")),
        {
          deadlineMs: 60_000,
        },
      );

      for (const command of await documentedCommands("kubernetes")) {
        const own = { KUBECONFIG: bed.kubeconfig, HOME: bed.directory };
        await typed(command, { PATH: Bun.env["PATH"] ?? "", ...own });
      }
      await scene.upgrade("agent", RELEASE, { ...wish, cluster: { name: "the other name" } });
      expect(await scene.jobUid("af-10")).toBe(worker);
      const bigger = sidecarValues(brokers, {
        workers: { image: IMAGES.worker, memoryLimit: "300M" },
      });
      await scene.upgrade("sidecar", "op", bigger);
      await until(
        "another worker, with the new limit",
        async () => {
          const uid = await scene.jobUid("af-10");
          if (uid === undefined || uid === worker) return false;
          return (await scene.readyPods("outrider.client-id=af-10")).length === 1;
        },
        { deadlineMs: 90_000 },
      );

      await scene.uninstall(RELEASE);
      // At once: the tombstone's hook waited for worker and group to be gone.
      expect(await scene.jobUid("af-10")).toBeUndefined();
      expect(await scene.names("pods", "outrider.client-id=af-10")).toEqual([]);
      expect(await kafka.tools.listGroups()).not.toContain(groupOf("af-10"));
      // helm leaves the pod of `helm test`, and nothing else.
      const left = await scene.names(
        "jobs,pods,secrets",
        "app.kubernetes.io/instance=kg-rca-agent",
      );
      expect(left).toEqual(["pod/kg-rca-agent-check-kafka"]);
      await scene.uninstall("op");
    }),
  LIMIT_MS,
);

test(
  "without Kafka an install fails in time and names it, and its uninstall goes on",
  () =>
    withScene("down", async (scene) => {
      const brokers = { brokers: `${bed.nodeAddress}:9` };
      const hooks = { timeoutSeconds: 8, backoffLimit: 0, waitForWorker: true };
      const startedMs = performance.now();
      const failure = await scene
        .install("agent", "edge", agentValues("af-20", brokers, hooks))
        .then(
          () => "installed",
          (error: unknown) => String(error),
        );
      expect(failure).toMatch(/post-install.*failed/su);
      expect(performance.now() - startedMs).toBeLessThan(60_000);
      // The failed pod is kept for this.
      const log = await scene.logs("app.kubernetes.io/component=register");
      expect(log).toContain(
        `register af-20: Kafka at ${brokers.brokers} cannot be reached within HOOK_TIMEOUT (8s)`,
      );
      expect(await scene.readyPods("app.kubernetes.io/component=state-watcher")).toHaveLength(1);
      await scene.uninstall("edge");
      expect(await scene.names("deployments,secrets", "app.kubernetes.io/instance=edge")).toEqual(
        [],
      );
    }),
  LIMIT_MS,
);

test(
  "with SASL and TLS the charts do the same, from Secrets of their own and of others",
  () =>
    withScene("secure", async (scene) => {
      const brokers = kafka.bootstrapOf("SASL_SSL");
      const ca = await Bun.file(kafka.certificates.caFile).text();
      const sasl = { enabled: true, mechanism: USER.mechanism };
      const own = { ...sasl, username: USER.name, password: USER.password };
      await bed.kubectl([
        ...["create", "secret", "generic", "others", "--namespace", "secure"],
        `--from-literal=username=${USER.name}`,
        `--from-literal=password=${USER.password}`,
        `--from-file=ca.crt=${kafka.certificates.caFile}`,
      ]);
      const planes = sidecarValues({ brokers, sasl: own, tls: { enabled: true, ca } });
      await scene.install("sidecar", "op", {
        ...planes,
        workers: {
          ...{ image: IMAGES.worker, memoryLimit: "256M", inheritKafkaAuth: true },
          env: { LOG_LEVEL: "debug", NOTE: ' it\'s "quoted" ' },
          podTemplate: {
            metadata: { labels: { team: "edge" } },
            spec: {
              tolerations: [{ key: "edge", operator: "Exists" }],
              volumes: [{ name: "scratch", emptyDir: { sizeLimit: "1Mi" } }],
              containers: [
                {
                  name: "worker",
                  resources: { requests: { cpu: "10m" } },
                  env: [{ name: "PLACE", value: "edge" }],
                  volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
                },
              ],
            },
          },
        },
      });
      await untilReady(scene, PLANES, 2);
      const others = {
        brokers,
        sasl: { ...sasl, existingSecret: "others" },
        tls: { enabled: true, existingSecret: "others" },
      };
      await scene.install("agent", "edge", agentValues("af-30", others, { waitForWorker: true }));
      expect(await scene.readyPods("outrider.client-id=af-30,team=edge")).toHaveLength(1);
      // It logs in over TLS by the authority of the control plane, or has no group.
      await until(
        "the worker's group",
        async () => (await kafka.tools.listGroups()).includes(groupOf("af-30")),
        { deadlineMs: 60_000 },
      );
      const [worker] = podsOf(
        await bed.kubectl([
          ...["get", "pods", "-n", "secure", "-l", "outrider.client-id=af-30", "-o", "json"],
        ]),
      );
      expect(worker).toMatchObject({
        tolerations: expect.arrayContaining([{ key: "edge", operator: "Exists" }]),
        containers: [
          {
            resources: { requests: { cpu: "10m", memory: "256Mi" } },
            env: expect.arrayContaining([
              { name: "PLACE", value: "edge" },
              { name: "TLS_CA_FILE", value: "/run/outrider/TLS_CA" },
            ]),
            volumeMounts: expect.arrayContaining([{ name: "scratch", mountPath: "/scratch" }]),
          },
        ],
      });
      expect(await scene.test("edge")).toMatch(/ok +sasl .*edge by SCRAM-SHA-512/u);
      await scene.uninstall("edge");
      expect(await scene.jobUid("af-30")).toBeUndefined();
      await scene.uninstall("op");
    }),
  LIMIT_MS,
);
