/** Listing on an engine that is played: what is remembered of a container, and what may change of it. */

import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerRuntime } from "../../../../../sidecar/control-plane/runtime/docker/runtime.ts";
import { clockOf } from "../../../../clock.ts";
import { listOf, silentLog } from "../../../../contract/runtime-subject.ts";

const STATE = { Status: "running", Running: true, Paused: false, OOMKilled: false, ExitCode: 0 };
const CONFIG = { Image: "i", Env: ["CLIENT_ID=af-2", "KAFKA_GROUP=kg-builder-af-2"], Labels: {} };

test("list() judges a renamed container of the original by its name of now", async () => {
  const directory = await mkdtemp(join(tmpdir(), "engine-"));
  const path = join(directory, "docker.sock");
  let name = "/kg-graph-builder-af-1";
  const listed = () => ({
    ...{
      Id: "c1",
      Names: [name],
      Image: "i",
      Labels: {},
      State: "running",
      Status: "Up",
      Created: 1,
    },
  });
  const inspected = () => ({ Id: "c1", Name: name, Created: "", Config: CONFIG, State: STATE });
  const server = Bun.serve({
    unix: path,
    fetch: ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname.endsWith("/version")) return Response.json({ ApiVersion: "1.41" });
      if (pathname.endsWith("/containers/json")) return Response.json([listed()]);
      if (pathname.endsWith("/c1/json")) return Response.json(inspected());
      return Response.json({ ID: "ENGINE", SystemTime: "2026-01-02T03:04:05Z" });
    },
  });
  try {
    const opened = await dockerRuntime({
      address: { kind: "unix", path, shown: `unix://${path}` },
      settings: {
        ...{ image: "i", network: "n", memoryBytes: 1, cpuMillis: 1, secrets: "env" },
        isPublic: () => false,
      },
      ...{
        takeOver: true,
        log: silentLog,
        clock: clockOf({ random: () => 0 }),
        signal: new AbortController().signal,
      },
    });
    if (!opened.ok) throw new Error(opened.error.detail);
    const found = async () => (await listOf(opened.value)).foreign[0]?.takeOver?.name;
    expect(await found()).toBeUndefined();
    name = "/kg-graph-builder-af-2";
    expect(await found()).toBe("kg-graph-builder-af-2");
  } finally {
    await server.stop(true);
    await rm(directory, { recursive: true, force: true });
  }
});
