/** One namespace for one test of the kubernetes runtime. */
import {
  type KubernetesRuntimeOptions,
  kubernetesRuntime,
} from "../../sidecar/control-plane/runtime/kubernetes/runtime.ts";
import type { Runtime } from "../../sidecar/control-plane/runtime/runtime.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";
import { runtimeOptions } from "./runtime-kubernetes-bed.ts";
import { value } from "./runtime-subject.ts";

type Place = {
  readonly namespace: string;
  readonly runtime: Runtime;
  readonly open: (more?: Partial<KubernetesRuntimeOptions>) => Promise<Runtime>;
  /** Of `kubectl get`, parsed text. */
  readonly get: (...words: readonly string[]) => Promise<string>;
};

/** A namespace with a runtime, and the components' logs when the test fails. */
type InPlace = (
  run: (place: Place) => Promise<void>,
  more?: Partial<KubernetesRuntimeOptions>,
) => Promise<void>;

export function placesIn(bedOf: () => KubernetesBed): InPlace {
  let numbers = 0;
  return async (run, more = {}) => {
    const bed = bedOf();
    numbers += 1;
    const namespace = `place-${numbers}`;
    await bed.makeNamespace(namespace, { restricted: true });
    const ended = new AbortController();
    const open: Place["open"] = async (other = {}) => {
      const options = runtimeOptions(bed, namespace, ended.signal);
      return value(await kubernetesRuntime({ ...options, ...more, ...other }));
    };
    const get: Place["get"] = (...words) => bed.kubectl(["get", "-n", namespace, ...words]);
    try {
      await run({ namespace, runtime: await open(), open, get });
    } catch (error) {
      process.stderr.write(`${await bed.logTail()}\n`);
      throw error;
    } finally {
      ended.abort();
      await bed.kubectl(["delete", "namespace", namespace, "--wait=false"]);
    }
  };
}
