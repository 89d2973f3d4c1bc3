import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { until } from "../condition.ts";
import { type DockerBed, startDocker } from "./docker.ts";
import { loadSidecarImage, SIDECAR_IMAGE, WORKER_IMAGE } from "./image.ts";

const LIMIT_MS = 60_000;

let docker: DockerBed;
beforeAll(async () => {
  docker = await startDocker();
}, LIMIT_MS);
afterAll(async () => {
  await docker.stop();
  expect(existsSync(docker.engine.socket)).toBe(false);
}, LIMIT_MS);

test(
  "startDocker() gives an engine that runs containers and ends them at their limit of memory",
  async () => {
    const memory = 32 * 1024 * 1024;
    const container = await docker.client.createContainer({
      Image: WORKER_IMAGE,
      Env: ["ACT=eat"],
      HostConfig: { Memory: memory, MemorySwap: memory, NetworkMode: docker.network.name },
    });
    await container.start();
    expect(await container.wait()).toMatchObject({ StatusCode: 137 });
    expect((await container.inspect()).State.OOMKilled).toBe(true);
    await docker.clear();
    expect(await docker.client.listContainers({ all: true })).toEqual([]);
  },
  LIMIT_MS,
);

test(
  "a container reaches what listens on the network's gateway",
  async () => {
    const server = Bun.serve({
      hostname: docker.network.gateway,
      port: 0,
      fetch: () => new Response("reached"),
    });
    const container = await docker.client.createContainer({
      Image: WORKER_IMAGE,
      Entrypoint: ["/bin/busybox", "wget", "-qO-", String(server.url)],
      HostConfig: { NetworkMode: docker.network.name },
    });
    await container.start();
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
    expect(String(await container.logs({ stdout: true }))).toContain("reached");
    await server.stop(true);
  },
  LIMIT_MS,
);

test(
  "loadSidecarImage() makes an image that runs the compiled sidecar, read-only, as nobody",
  async () => {
    await loadSidecarImage(docker.client);
    const container = await docker.client.createContainer({
      Image: SIDECAR_IMAGE,
      Cmd: ["--version"],
      HostConfig: { ReadonlyRootfs: true, CapDrop: ["ALL"], NetworkMode: "none" },
    });
    await container.start();
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
    expect(String(await container.logs({ stdout: true }))).toContain("sidecar");
  },
  LIMIT_MS,
);

test.each(["stop", "kill"] as const)(
  "after %s the engine starts again and knows its containers",
  async (how) => {
    await docker.clear();
    const container = await docker.client.createContainer({
      Image: WORKER_IMAGE,
      HostConfig: { Init: true },
    });
    await container.start();
    await docker.engine[how]();
    await docker.engine.start();
    await until(
      "the container to be exited",
      async () => {
        const { State } = await container.inspect();
        if (State.Running) throw new Error(State.Status);
        return true;
      },
      { deadlineMs: LIMIT_MS },
    );
  },
  LIMIT_MS,
);
