/** An informer of ConfigMaps on a real API server, and what tests of the door do to it. */

import * as v from "valibot";
import { systemClock } from "../../shared/clock.ts";
import { openCredentials } from "../../shared/kubernetes/credentials.ts";
import { type Informer, openInformer } from "../../shared/kubernetes/informer.ts";
import { openTransport, type Transport } from "../../shared/kubernetes/transport.ts";
import { watchOnce } from "../../shared/kubernetes/watch.ts";
import { until } from "../bed/condition.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";
import { signal, value } from "../contract/runtime-subject.ts";

export const PATIENCE = { deadlineMs: 30_000, intervalMs: 20 } as const;
const CONFIG_MAPS = { group: "", version: "v1", plural: "configmaps" } as const;

let numbers = 0;

export const transportOf = ({ kubeconfig }: Pick<KubernetesBed, "kubeconfig">): Transport =>
  openTransport(value(openCredentials({ kubeconfig })), "outrider-test/1");

const ConfigMap = v.object({
  metadata: v.object({ name: v.string() }),
  data: v.optional(v.record(v.string(), v.string()), {}),
});

type Held = { readonly name: string; readonly text: string };
export type Scene = {
  readonly namespace: string;
  readonly informer: Informer<Held>;
  /** Names and texts, sorted: of what is held. */
  readonly held: () => readonly string[];
  readonly put: (name: string, text: string) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
};

export type More = { readonly transport?: Transport; readonly idleMs?: number };

export const openMaps = (
  bed: KubernetesBed,
  namespace: string,
  ended: AbortSignal,
  more: More = {},
): Informer<Held> =>
  openInformer<Held>({
    transport: transportOf(bed),
    selection: { resource: CONFIG_MAPS, namespace },
    keep: (object) => {
      const { metadata, data } = v.parse(ConfigMap, object);
      if (metadata.name === "kube-root-ca.crt") return undefined;
      return { name: metadata.name, text: data["text"] ?? "" };
    },
    same: (one, other) => one.text === other.text,
    clock: systemClock,
    log: () => undefined,
    signal: ended,
    ...more,
  });

/** An informer of a namespace's ConfigMaps. */
export async function onScene(
  bed: KubernetesBed,
  act: (scene: Scene) => Promise<void>,
  more: More = {},
): Promise<void> {
  numbers += 1;
  const namespace = `scene-${numbers}`;
  const ended = new AbortController();
  await bed.kubectl(["create", "namespace", namespace]);
  const informer = openMaps(bed, namespace, ended.signal, more);
  try {
    await act({
      namespace,
      informer,
      held: () => [...informer.held().values()].map((each) => `${each.name}=${each.text}`).sort(),
      put: (name, text) => bed.apply(configMap(namespace, name, text)),
      remove: async (name) => {
        await bed.kubectl(["delete", "configmap", name, "-n", namespace]);
      },
    });
  } catch (error) {
    process.stderr.write(`${await bed.logTail(10)}\n`);
    throw error;
  } finally {
    ended.abort();
  }
}

export const configMap = (namespace: string, name: string, text: string): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
  data: { text },
});

export const settle = (scene: Scene, wanted: readonly string[]) =>
  until(
    `it holds ${wanted.join(", ")}`,
    () => {
      if (JSON.stringify(scene.held()) === JSON.stringify(wanted)) return true;
      throw new Error(`it holds ${scene.held().join(", ")}`);
    },
    PATIENCE,
  );

export const notCurrent = ({ informer }: Scene) =>
  until(
    "it is not current",
    async () => !(await informer.current(AbortSignal.timeout(100))).ok,
    PATIENCE,
  );

/** The way to the server, which can be cut: what goes over it breaks, and nothing gets through. */
export function cuttable(inner: Transport): {
  readonly through: Transport;
  readonly cut: () => void;
  readonly mend: () => void;
} {
  let broken = new AbortController();
  const send: Transport["send"] = (request) => {
    if (broken.signal.aborted) return Promise.reject(new Error("the way is cut"));
    return inner.send({ ...request, signal: AbortSignal.any([request.signal, broken.signal]) });
  };
  return {
    through: { ...inner, send },
    cut: () => broken.abort(),
    mend: () => {
      broken = new AbortController();
    },
  };
}

/** From the beginning of all history. */
export async function codeOfWatch(transport: Transport, namespace: string): Promise<string> {
  const watched = await watchOnce({
    transport,
    selection: { resource: CONFIG_MAPS, namespace },
    from: { version: 1n },
    clock: systemClock,
    onOpen: () => undefined,
    onEvent: () => true,
    signal,
  });
  return watched.ok ? "ok" : watched.error.code;
}
