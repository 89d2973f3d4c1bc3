/** The runtime contract on a real Kubernetes: API server, controllers, scheduler, kubelet. */
import { beforeAll } from "bun:test";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { runtimeContract } from "./runtime.ts";
import { loadWorkerImage, makeSubject } from "./runtime-kubernetes-bed.ts";

let bed: KubernetesBed | undefined;

beforeAll(async () => {
  bed = openKubernetes(import.meta.path);
  await loadWorkerImage(bed);
}, 60_000);

runtimeContract(
  "kubernetes",
  () => {
    if (bed === undefined) throw new Error("there is no cluster");
    return makeSubject(bed);
  },
  { atOnce: 4 },
);
