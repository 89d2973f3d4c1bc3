/** The door to Kubernetes against a real API server: what is held through every fault, and who we are. */
import { beforeAll, describe, expect, test } from "bun:test";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openCredentials } from "../../shared/kubernetes/credentials.ts";
import { type Kubernetes, openKubernetes as openDoor } from "../../shared/kubernetes/kubernetes.ts";
import type { Transport } from "../../shared/kubernetes/transport.ts";
import { until } from "../bed/condition.ts";
import { type KubernetesBed, openKubernetes } from "../bed/kubernetes/kubernetes.ts";
import { signal, value } from "../contract/runtime-subject.ts";
import {
  codeOfWatch,
  configMap,
  cuttable,
  notCurrent,
  onScene,
  openMaps,
  PATIENCE,
  settle,
  transportOf,
} from "./door-scene.ts";

const TEST_MS = 90_000;
const MANY = 620;
const CALLS = 40;

let bed: KubernetesBed;
let transport: Transport;
beforeAll(() => {
  bed = openKubernetes(import.meta.path);
  transport = transportOf(bed);
});

const clientOf = (kubeconfig: string): Kubernetes =>
  openDoor({
    credentials: value(openCredentials({ kubeconfig })),
    fieldManager: "outrider",
    userAgent: "outrider-test/1",
  });

const it = (what: string, run: () => Promise<void>) => test(what, run, TEST_MS);

describe("openInformer()", () => {
  it("holds what there is, and each change, telling only what changed for its holder", async () => {
    await onScene(bed, async (scene) => {
      await scene.put("a", "1");
      value(await scene.informer.current(signal));
      await settle(scene, ["a=1"]);
      let told = 0;
      scene.informer.onChange(() => (told += 1));
      await scene.put("b", "1");
      await settle(scene, ["a=1", "b=1"]);
      const words = ["label", "configmap", "a", "unseen=1", "-n", scene.namespace];
      await bed.kubectl(words);
      await scene.put("a", "2");
      await settle(scene, ["a=2", "b=1"]);
      await scene.remove("b");
      await settle(scene, ["a=2"]);
      expect(told).toBe(3);
      expect(scene.informer.lists()).toBe(1);
    });
  });

  it("sees what happened while the API server was killed", async () => {
    await onScene(bed, async (scene) => {
      await scene.put("gone", "1");
      await scene.put("stays", "1");
      await settle(scene, ["gone=1", "stays=1"]);
      bed.apiServer.signal("SIGKILL");
      await notCurrent(scene);
      expect(scene.held()).toEqual(["gone=1", "stays=1"]);
      await bed.apiServer.start();
      await scene.remove("gone");
      await scene.put("new", "1");
      await settle(scene, ["new=1", "stays=1"]);
      value(await scene.informer.current(signal));
    });
  });

  it("lists again when the server has forgotten the version that it goes on from", async () => {
    const { through, cut, mend } = cuttable(transport);
    await onScene(
      bed,
      async (scene) => {
        await scene.put("gone", "1");
        await scene.put("stays", "1");
        await settle(scene, ["gone=1", "stays=1"]);
        cut();
        await scene.remove("gone");
        // A new server's memory begins now, and etcd's history does, too.
        await scene.put("stays", "2");
        await bed.compact();
        bed.apiServer.signal("SIGKILL");
        await bed.apiServer.start();
        expect(await codeOfWatch(transport, scene.namespace)).toBe("expired");
        expect(scene.held()).toEqual(["gone=1", "stays=1"]);
        mend();
        await settle(scene, ["stays=2"]);
        expect(scene.informer.lists()).toBe(2);
      },
      { transport: through },
    );
  });

  it("replaces a connection that has fallen silent", async () => {
    await onScene(
      bed,
      async (scene) => {
        await scene.put("a", "1");
        await settle(scene, ["a=1"]);
        bed.apiServer.signal("SIGSTOP");
        await notCurrent(scene);
        bed.apiServer.signal("SIGCONT");
        await scene.put("a", "2");
        await settle(scene, ["a=2"]);
        value(await scene.informer.current(signal));
      },
      { idleMs: 1_500 },
    );
  });

  it("lists by pages where the server knows no watch-list", async () => {
    let pages = 0;
    const older: Transport = {
      ...transport,
      send: (request) => {
        if (request.path.includes("limit=")) pages += 1;
        if (!request.path.includes("sendInitialEvents")) return transport.send(request);
        const message =
          "sendInitialEvents is forbidden for watch unless the feature gate is enabled";
        return Promise.resolve(Response.json({ kind: "Status", message }, { status: 422 }));
      },
    };
    const namespace = "pages";
    const names = Array.from({ length: MANY }, (_, i) => `m-${i}`);
    await bed.kubectl(["create", "namespace", namespace]);
    await bed.apply(...names.map((name) => configMap(namespace, name, "1")));
    const ended = new AbortController();
    const informer = openMaps(bed, namespace, ended.signal, { transport: older });
    expect(value(await informer.current(signal)).size).toBe(MANY);
    expect(pages).toBe(2);
    await bed.kubectl(["delete", "configmap", "m-7", "-n", namespace]);
    await until("one is gone", () => informer.held().size === MANY - 1, PATIENCE);
    expect(informer.lists()).toBe(1);
    ended.abort();
  });
});

describe("openCredentials()", () => {
  it("never mixes identities, however many ask at once", async () => {
    await bed.kubectl(["create", "serviceaccount", "nobody"]);
    const nobody = clientOf(await bed.kubeconfigOf("default", "nobody"));
    const admin = clientOf(bed.kubeconfig);
    const calls = Array.from({ length: CALLS }, async () => {
      const [good, bad] = await Promise.all([admin.clusterUid(signal), nobody.clusterUid(signal)]);
      return [good.ok, bad.ok ? "" : bad.error.detail];
    });
    const lacks = "ServiceAccount default/nobody may not get namespaces kube-system";
    for (const [good, bad] of await Promise.all(calls)) {
      expect(good).toBe(true);
      expect(bad).toStartWith(lacks);
    }
  });

  it("takes a certificate that was replaced without being opened again", async () => {
    const pki = dirname(bed.caFile);
    const path = (name: string) => join(bed.directory, `rotating.${name}`);
    const use = async (who: string) => {
      for (const part of ["crt", "key"]) await copyFile(join(pki, `${who}.${part}`), path(part));
    };
    await use("admin");
    await Bun.write(path("kubeconfig"), kubeconfigWith(path("crt"), path("key")));
    const client = clientOf(path("kubeconfig"));
    value(await client.clusterUid(signal));
    await use("proxy");
    const refused = await client.clusterUid(signal);
    expect(refused.ok ? "" : refused.error.detail).toStartWith("user system:kube-proxy may not");
    await use("admin");
    value(await client.clusterUid(signal));
  });

  it("does not trust a server of another authority", async () => {
    const path = join(bed.directory, "other.kubeconfig");
    const other = join(dirname(bed.caFile), "front-proxy.crt");
    await Bun.write(path, (await Bun.file(bed.kubeconfig).text()).replace(bed.caFile, other));
    const asked = await clientOf(path).clusterUid(signal);
    expect(asked.ok ? "" : asked.error.code).toBe("unavailable");
    expect(asked.ok ? "" : asked.error.detail).toMatch(/certificate/iu);
  });
});

const kubeconfigWith = (cert: string, key: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "bed", cluster: { server: bed.server, "certificate-authority": bed.caFile } },
    ],
    users: [{ name: "user", user: { "client-certificate": cert, "client-key": key } }],
    contexts: [{ name: "bed", context: { cluster: "bed", user: "user" } }],
    "current-context": "bed",
  });
