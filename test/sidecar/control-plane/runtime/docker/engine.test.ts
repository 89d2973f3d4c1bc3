/** What an engine says of itself, played where no real one says so: too old, too new, no engine at all. */

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "bun";
import { openLog } from "../../../../../shared/log.ts";
import { dockerRuntime } from "../../../../../sidecar/control-plane/runtime/docker/runtime.ts";
import { clockOf } from "../../../../clock.ts";

let server: Server<undefined> | undefined;
let directory = "";
afterEach(async () => {
  await server?.stop(true);
  server = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function openAgainst(version: unknown) {
  directory = await mkdtemp(join(tmpdir(), "engine-"));
  const path = join(directory, "docker.sock");
  const asked: string[] = [];
  server = Bun.serve({
    unix: path,
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      if (pathname.endsWith("/version")) return Response.json(version);
      return Response.json({ ID: "ENGINE", SystemTime: "2026-01-02T03:04:05.123456789Z" });
    },
  });
  const opened = await dockerRuntime({
    address: { kind: "unix", path, shown: `unix://${path}` },
    settings: {
      ...{ image: "i", network: "n", memoryBytes: 1, cpuMillis: 1, secrets: "env" },
      isPublic: () => false,
    },
    takeOver: false,
    log: openLog({
      level: "error",
      format: "json",
      write: () => undefined,
      clock: clockOf({ nowMs: () => 0 }),
    }),
    clock: clockOf({ random: () => 0 }),
    signal: new AbortController().signal,
    openMsMax: 0,
  });
  return { opened, asked };
}

describe("dockerRuntime()", () => {
  test("refuses an engine that is too old, with both versions", async () => {
    const { opened } = await openAgainst({ ApiVersion: "1.40", MinAPIVersion: "1.12" });
    expect(opened).toMatchObject({ ok: false, error: { exit: 64 } });
    expect(opened.ok ? "" : opened.error.detail).toMatch(/speaks API 1\.40; 1\.41 or later/u);
  });
  test.each([
    [{ ApiVersion: "1.41", MinAPIVersion: "1.12" }, "/v1.41/info"],
    [{ ApiVersion: "1.100", MinAPIVersion: "1.24" }, "/v1.41/info"],
    [{ ApiVersion: "1.52", MinAPIVersion: "1.44" }, "/v1.44/info"],
  ])("speaks to %o in %s", async (version, path) => {
    const { opened, asked } = await openAgainst(version);
    expect(opened.ok ? opened.value.scope : opened.error).toBe("docker:ENGINE");
    expect(asked.at(-1)).toBe(path);
  });
  test("says so when something else listens there", async () => {
    const { opened } = await openAgainst({ hello: "world" });
    expect(opened).toMatchObject({ ok: false, error: { exit: 69 } });
    expect(opened.ok ? "" : opened.error.detail).toContain("is not an engine's");
  });
});
