/** Credentials that do not come, and those of a kubeconfig that cannot be used as they stand. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCredentials } from "../../../shared/kubernetes/credentials.ts";
import { openTransport } from "../../../shared/kubernetes/transport.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kubeconfig-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function kubeconfig(cluster: object, user: object): Promise<string> {
  const path = join(directory, "config");
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
    clusters: [{ name: "c", cluster: { server: "http://127.0.0.1:1", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  };
  await Bun.write(path, JSON.stringify(config));
  return path;
}

describe("openTransport()", () => {
  test("waits for a credential plugin no longer than the request may take, and names it", async () => {
    // It ends by itself, so that nothing is left behind.
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "sleep", args: ["3"] };
    const path = await kubeconfig({}, { exec: { ...exec, interactiveMode: "Never" } });
    const credentials = openCredentials({ kubeconfig: path });
    if (!credentials.ok) throw new Error(credentials.error);
    const transport = openTransport(credentials.value, "test");
    const signal = AbortSignal.timeout(50);
    const beganMs = performance.now();
    const sent = transport.send({ method: "GET", path: "/", headers: {}, signal });
    expect(await sent.then(String, String)).toMatch(
      /credential plugin sleep of .*config gave no credentials in time/u,
    );
    expect(performance.now() - beganMs).toBeLessThan(2900);
    await credentials.value.access().catch(() => undefined);
  });
  test("asks once for requests at the same time, and anew for the next", async () => {
    let asked = 0;
    const transport = openTransport(
      {
        ...{ server: "http://127.0.0.1:1", namespace: "n", source: "a test" },
        access: async () => {
          asked += 1;
          await Promise.resolve();
          throw new Error("no file");
        },
      },
      "test",
    );
    const signal = new AbortController().signal;
    const send = () =>
      transport.send({ method: "GET", path: "/", headers: {}, signal }).catch(String);
    expect(await Promise.all([send(), send()])).toEqual(["Error: no file", "Error: no file"]);
    expect([asked, await send(), asked]).toEqual([1, "Error: no file", 2]);
  });
});

test("openCredentials() refuses a proxy-url instead of going past it", async () => {
  const path = await kubeconfig({ "proxy-url": "http://proxy:3128" }, { token: "t" });
  const credentials = openCredentials({ kubeconfig: path });
  expect(credentials.ok ? "" : credentials.error).toMatch(/proxy-url for cluster c, which is not/u);
});
