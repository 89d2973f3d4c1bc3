/** What only a cluster can do to its workers: limits, quotas, permissions, an API server that goes away. */
import { beforeAll, describe, expect, test } from "bun:test";
import { workerJob } from "../../sidecar/control-plane/runtime/kubernetes/manifest.ts";
import { kubernetesRuntime } from "../../sidecar/control-plane/runtime/kubernetes/runtime.ts";
import type { Runtime, WorkerSpec } from "../../sidecar/control-plane/runtime/runtime.ts";
import { until } from "../bed/condition.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import {
  grant,
  loadWorkerImage,
  openClient,
  pidsOf,
  runtimeOptions,
} from "./runtime-kubernetes-bed.ts";
import { placesIn } from "./runtime-kubernetes-place.ts";
import { variablesOf } from "./runtime-process-bed.ts";
import { codeOf, find, listOf, signal, specOf, value, whenState } from "./runtime-subject.ts";

/** Most run at once, on one node. */
const TEST_MS = 180_000;
const DEADLINE_MS = 30_000;
const PATIENCE = { deadlineMs: 60_000, intervalMs: 500 } as const;
const JOBS = 1_000;
const AT_ONCE = 20;

let bed: KubernetesBed;
beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  await loadWorkerImage(bed);
}, 60_000);

const inPlace = placesIn(() => bed);

const it = (what: string, run: () => Promise<void>) => test.concurrent(what, run, TEST_MS);
const alone = (what: string, run: () => Promise<void>) => test.serial(what, run, TEST_MS);
const detailOf = (result: Awaited<ReturnType<Runtime["start"]>>): string =>
  result.ok ? "" : result.error.detail;

describe("kubernetesRuntime()", () => {
  it("shows a worker over its memory limit as ended for want of memory", async () => {
    await inPlace(async ({ runtime }) => {
      const spec: WorkerSpec = specOf("af-1");
      await runtime.start({ ...spec, environment: { ACT: "eat-memory" } }, signal);
      expect((await whenState(runtime, spec, "exited")).exit).toBe("oom");
    });
  });

  it("keeps secrets in a Secret that ends with the Job, and passes a dollar on as it is", async () => {
    await inPlace(async ({ runtime, get }) => {
      const spec = specOf("af-1");
      const given = { ...spec.environment, DOLLARS: "$(CLIENT_ID) $$ $HOME" };
      const worker = value(await runtime.start({ ...spec, environment: given }, signal));
      const seen = variablesOf(pidsOf(worker.instance)[0] ?? 0) ?? {};
      expect(seen).toMatchObject({ ...given, ...spec.secrets });
      const shown = await get("jobs,pods,events", "-o", "json");
      expect(shown).toContain("WITH_SPACE");
      expect(shown).not.toContain("very-secret-value");
      expect(await get("secrets", "-o", "name")).toContain(`secret/${spec.name}-`);
      value(await runtime.stop(worker, signal));
      await until("its Secret is gone", async () => (await get("secrets", "-o", "name")) === "", {
        deadlineMs: DEADLINE_MS,
      });
    });
  });

  it("takes the secrets of the operator's Secret when there is one", async () => {
    await inPlace(
      async ({ runtime, namespace, get }) => {
        await bed.kubectl(
          ["create", "secret", "generic", "of-the-operator", "-n", namespace].concat(
            "--from-literal=NEO4J_PASS=the-operators",
          ),
        );
        const worker = value(await runtime.start(specOf("af-1"), signal));
        const seen = variablesOf(pidsOf(worker.instance)[0] ?? 0) ?? {};
        expect(seen["NEO4J_PASS"]).toBe("the-operators");
        expect(await get("secrets", "-o", "name")).toBe("secret/of-the-operator\n");
      },
      { secretName: "of-the-operator" },
    );
  });

  it("names the image that cannot be had, and leaves nothing of that start", async () => {
    await inPlace(
      async ({ runtime, get }) => {
        const started = await runtime.start(specOf("af-1"), signal);
        expect(codeOf(started)).toBe("no-image");
        expect(detailOf(started)).toMatch(
          /(?:ErrImagePull|ImagePullBackOff).*127\.0\.0\.1:1\/none/u,
        );
        await until("its Job is gone", async () => (await get("jobs", "-o", "name")) === "", {
          deadlineMs: DEADLINE_MS,
        });
      },
      { image: "127.0.0.1:1/none:1" },
    );
  });

  it("names the operator's Secret that is not there", async () => {
    await inPlace(
      async ({ runtime }) => {
        const started = await runtime.start(specOf("af-1"), signal);
        expect(codeOf(started)).toBe("refused");
        expect(detailOf(started)).toContain('secret "never-made" not found');
      },
      { secretName: "never-made" },
    );
  });

  it("says that a quota is full, and starts when there is room again", async () => {
    await inPlace(async ({ runtime, namespace }) => {
      const quota = ["create", "quota", "one", "--hard=pods=1", "-n", namespace];
      await bed.kubectl(quota);
      const first = value(await runtime.start(specOf("af-1"), signal));
      const second = await runtime.start(specOf("af-2"), signal);
      expect(codeOf(second)).toBe("refused");
      expect(detailOf(second)).toContain("exceeded quota: one");
      value(await runtime.stop(first, signal));
      // The quota's controller counts anew a moment later.
      const start = () => runtime.start(specOf("af-2"), signal);
      await until("its start", async () => (await start()).ok, PATIENCE);
    });
  });

  it("says what a pod waits for that no node has room for, and leaves its Job to Kubernetes", async () => {
    await inPlace(
      async ({ runtime }) => {
        const started = await runtime.start(specOf("af-1"), signal);
        expect(codeOf(started)).toBe("timeout");
        expect(detailOf(started)).toContain("Insufficient memory");
        const worker = (await find(runtime, specOf("af-1"))) ?? expect.unreachable();
        expect(worker.state).toBe("starting");
        value(await runtime.stop(worker, signal));
        expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
      },
      { memoryBytes: 2 ** 42, startMsMax: 12_000 },
    );
  });

  it("shows a worker whose pod somebody deleted as exited", async () => {
    await inPlace(async ({ runtime, namespace }) => {
      const spec = specOf("af-1");
      value(await runtime.start(spec, signal));
      await bed.kubectl(["delete", "pods", "--all", "-n", namespace, "--wait=false"]);
      const worker = await whenState(runtime, spec, "exited");
      value(await runtime.stop(worker, signal));
      value(await runtime.start(spec, signal));
    });
  });

  it("leaves a worker alone whose Job somebody suspended, until it is resumed", async () => {
    await inPlace(async ({ runtime, namespace }) => {
      const spec = specOf("af-1");
      const { instance } = value(await runtime.start(spec, signal));
      const suspend = (yes: boolean) =>
        bed.kubectl([
          ...["patch", "job", spec.name, "-n", namespace],
          ...["-p", JSON.stringify({ spec: { suspend: yes } })],
        ]);
      await suspend(true);
      const held = await whenState(runtime, spec, "starting");
      expect(held).toMatchObject({ instance, held: "suspended by another" });
      await suspend(false);
      const resumed = await whenState(runtime, spec, "running");
      expect([resumed.instance, resumed.held]).toEqual([instance, undefined]);
      value(await runtime.stop(resumed, signal));
    });
  });

  it("shows a start that was cut off as exited, and a fleet whose name is no label as it is", async () => {
    await inPlace(async ({ runtime, namespace }) => {
      const spec = specOf("af-1", "run", "-a fleet_");
      const options = runtimeOptions(bed, namespace, signal);
      const job = workerJob(spec, { ...options, graceMs: 1_000 }, "never-made");
      value(await openClient(bed.kubeconfig).createJob(namespace, job, signal));
      const left = await whenState(runtime, spec, "exited");
      expect(left).toMatchObject({ fleet: "-a fleet_", exit: "unknown" });
      value(await runtime.stop(left, signal));
      const next = value(await runtime.start(spec, signal));
      expect(next).toMatchObject({ fleet: "-a fleet_", state: "running" });
    });
  });

  alone(
    "outlives the API server: no listing without it, and then what happened meanwhile",
    async () => {
      await inPlace(async ({ runtime }) => {
        const specs = ["af-1", "af-2", "af-3"].map((id) => specOf(id, "wait-for-file"));
        const started = await Promise.all(specs.map((spec) => runtime.start(spec, signal)));
        const workers = started.map(value);
        const deaf = value(await runtime.start(specOf("af-5", "ignore-term"), signal));
        const stopping = runtime.stop(deaf, signal);
        await whenState(runtime, specOf("af-5"), "stopping");
        let changes = 0;
        runtime.watch(() => (changes += 1), signal);
        bed.apiServer.signal("SIGKILL");
        await until(
          "the listing fails",
          async () => codeOfList(await runtime.list(AbortSignal.timeout(200))) !== "ok",
          { deadlineMs: DEADLINE_MS },
        );
        expect(codeOf(await runtime.start(specOf("af-4"), signal))).toBe("unavailable");
        const [first, ...rest] = workers;
        for (const pid of pidsOf(first?.instance ?? "")) process.kill(pid, "SIGKILL");
        const before = changes;
        await bed.apiServer.start();
        const ended = await whenState(runtime, specs[0] ?? expect.unreachable(), "exited");
        expect(ended.exit).toBe("signal:SIGKILL");
        expect(changes).toBeGreaterThan(before);
        // A stop that was under way goes on by itself.
        value(await stopping);
        expect(pidsOf(deaf.instance)).toEqual([]);
        const listed = (await listOf(runtime)).workers.filter((each) => each.state === "running");
        expect(new Set(listed)).toEqual(new Set(rest));
        expect(await find(runtime, specOf("af-5"))).toBeUndefined();
      });
    },
  );

  alone("lists 1,000 workers, adopted", async () => {
    await inPlace(async ({ namespace, open }) => {
      const client = openClient(bed.kubeconfig);
      const options = { ...runtimeOptions(bed, namespace, signal), graceMs: 1_000 };
      const ids = Array.from({ length: JOBS }, (_, i) => `af-${i}`);
      const left = ids.values();
      const work = async () => {
        for (const id of left) {
          const job = workerJob(specOf(id), options, "never-made");
          value(await client.createJob(namespace, job, signal));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      const sinceMs = performance.now();
      const { workers } = await listOf(await open());
      process.stderr.write(`1,000 Jobs listed in ${Math.round(performance.now() - sinceMs)} ms\n`);
      expect(workers.map(({ name }) => name).toSorted()).toEqual(
        ids.map((id) => specOf(id).name).toSorted(),
      );
    });
  });

  it("does all of it with the permissions that are documented, and no more", async () => {
    await inPlace(async ({ namespace, open }) => {
      await bed.apply(...grant(namespace));
      const kubernetes = openClient(await bed.kubeconfigOf(namespace, "control-plane"));
      const runtime = await open({ kubernetes });
      const spec = specOf("af-1");
      const worker = value(await runtime.start(spec, signal));
      expect((await listOf(runtime)).workers).toEqual([worker]);
      value(await runtime.stop(worker, signal));
      const quota = ["create", "quota", "none", "--hard=pods=0", "-n", namespace];
      await bed.kubectl(quota);
      expect(detailOf(await runtime.start(spec, signal))).toContain("exceeded quota");
    });
  });

  it("names the permission that is missing, and who lacks it", async () => {
    await inPlace(async ({ namespace, open }) => {
      await bed.kubectl(["create", "serviceaccount", "nobody", "-n", namespace]);
      const nobody = openClient(await bed.kubeconfigOf(namespace, "nobody"));
      const opened = await kubernetesRuntime({
        ...runtimeOptions(bed, namespace, signal),
        kubernetes: nobody,
      });
      const who = `ServiceAccount ${namespace}/nobody may not`;
      expect(opened.ok ? "" : opened.error.detail).toBe(
        `${who} get namespaces kube-system: grant the verb by a ClusterRole`,
      );
      const clusterUid = openClient(bed.kubeconfig).clusterUid;
      const runtime = await open({ kubernetes: { ...nobody, clusterUid } });
      const refused = await runtime.start(specOf("af-1"), signal);
      expect(codeOf(refused)).toBe("refused");
      expect(detailOf(refused)).toBe(
        `${who} create jobs.batch in namespace ${namespace}: grant the verb by a Role`,
      );
      const listed = await runtime.list(signal);
      expect(listed.ok ? "" : listed.error.detail).toMatch(
        new RegExp(`^${who} watch (?:pods|jobs.batch) in namespace ${namespace}`, "u"),
      );
    });
  });
});

const codeOfList = (listed: Awaited<ReturnType<Runtime["list"]>>): string =>
  listed.ok ? "ok" : listed.error.code;
