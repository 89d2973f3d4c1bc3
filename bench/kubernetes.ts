/**
 * `bun run bench kubernetes`: how long a worker takes to start on a real one-node Kubernetes, one after
 * the other: from the call until the kubelet says that the container runs, until `start` has confirmed
 * it, and until `stop` has. It creates its own box (test/bed/kubernetes/box.sh).
 */
import { join } from "node:path";
import { kubernetesRuntime } from "../sidecar/control-plane/runtime/kubernetes/runtime.ts";
import { openKubernetes } from "../test/bed/kubernetes/kubernetes.ts";
import { loadWorkerImage, runtimeOptions } from "../test/contract/runtime-kubernetes-bed.ts";
import { listOf, signal, specOf, value } from "../test/contract/runtime-subject.ts";
import { figure, quantile } from "./figure.ts";

const STARTS = 100;
const NAMESPACE = "bench";
const BOX = join(import.meta.dir, "../test/bed/kubernetes/box.sh");

async function inBox(): Promise<number> {
  const child = Bun.spawn([BOX, process.execPath, import.meta.path], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  return await child.exited;
}

async function measure(): Promise<void> {
  const bed = openKubernetes(import.meta.path);
  await loadWorkerImage(bed);
  await bed.makeNamespace(NAMESPACE, { restricted: true });
  const open = new AbortController();
  const runtime = value(await kubernetesRuntime(runtimeOptions(bed, NAMESPACE, open.signal)));
  await listOf(runtime);
  const runs: number[] = [];
  const confirmed: number[] = [];
  const stopped: number[] = [];
  for (let number = 0; number < STARTS; number += 1) {
    const ended = new AbortController();
    const sinceMs = performance.now();
    const look = async () => {
      const { workers } = await listOf(runtime);
      if (workers.some((worker) => worker.state === "running") && !ended.signal.aborted) {
        runs.push(performance.now() - sinceMs);
        ended.abort();
      }
    };
    runtime.watch(() => void look(), ended.signal);
    const worker = value(await runtime.start(specOf(`af-${number}`), signal));
    confirmed.push(performance.now() - sinceMs);
    ended.abort();
    const stopMs = performance.now();
    value(await runtime.stop(worker, signal));
    stopped.push(performance.now() - stopMs);
  }
  open.abort();
  for (const [name, values] of Object.entries({ runs, confirmed, stopped })) {
    const common = { bench: "kubernetes", unit: "ms" };
    figure({ ...common, figure: `${name}_p50_of_${STARTS}`, value: quantile(values, 0.5) });
    figure({ ...common, figure: `${name}_max_of_${STARTS}`, value: quantile(values, 1) });
  }
}

if (Bun.env["OUTRIDER_BOX"] === "kubernetes") await measure();
else process.exitCode = await inBox();
