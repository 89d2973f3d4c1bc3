/** What an engine gives to its workers, and what may be missing: limits, secrets, itself, networks, images. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { LABELS } from "../../sidecar/control-plane/runtime/docker/container.ts";
import { until } from "../bed/condition.ts";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { loadWorkerImage, WORKER_IMAGE } from "../bed/docker/image.ts";
import { startRegistry } from "../bed/docker/registry.ts";
import {
  MEMORY_BYTES,
  openDocker,
  sayingLog,
  settingsFor,
  variablesOf,
  workerPid,
} from "./runtime-docker-bed.ts";
import {
  codeOf,
  expectChange,
  find,
  listOf,
  signal,
  specOf,
  value,
  whenState,
} from "./runtime-subject.ts";

const LIMIT_MS = 120_000;
const START_MS = 60_000;

let docker: DockerBed;
beforeAll(async () => {
  docker = await startDocker();
}, START_MS);
afterAll(() => docker.stop(), START_MS);
afterEach(() => docker.clear(), START_MS);

const it = (what: string, run: () => Promise<void>) => test(what, run, LIMIT_MS);
const volumes = async () => (await docker.client.listVolumes()).Volumes.length;

describe("Runtime of docker: what a container is given", () => {
  it("limits that hold: one that takes more memory is killed, and shown as such", async () => {
    const runtime = await openDocker(docker);
    const spec = { ...specOf("af-1"), environment: { ACT: "eat" } };
    await runtime.start(spec, signal);
    expect((await whenState(runtime, spec, "exited")).exit).toBe("oom");
    // Known by looking, not by memory.
    expect(await find(await openDocker(docker), spec)).toMatchObject({ exit: "oom" });
  });
  it("no swap, half a CPU, no privileges, a root that it cannot write, logs that end", async () => {
    const runtime = await openDocker(docker);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    const { HostConfig: host, Config } = await docker.client
      .getContainer(worker.instance)
      .inspect();
    expect(host).toMatchObject({
      Memory: MEMORY_BYTES,
      MemorySwap: MEMORY_BYTES,
      NanoCpus: 500_000_000,
      NetworkMode: docker.network.name,
      RestartPolicy: { Name: "no" },
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Init: true,
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
    });
    expect(Config.Labels).toMatchObject({
      [LABELS.fleet]: "fleet-a",
      [LABELS.clientId]: "af-1",
      [LABELS.name]: worker.name,
    });
    const status = readFileSync(`/proc/${await workerPid(docker, worker.instance)}/status`, "utf8");
    expect(status).toMatch(/^CapEff:\s+0+$/mu);
    expect(status).toMatch(/^CapBnd:\s+0+$/mu);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/mu);
    const write = await docker.client.getContainer(worker.instance).exec({
      Cmd: ["/bin/sh", "-c", "echo a >/tmp/a && ! echo a >/a"],
      AttachStdout: true,
    });
    const stream = await write.start({});
    stream.resume();
    await until("it to have tried", async () => !(await write.inspect()).Running, {
      deadlineMs: LIMIT_MS,
    });
    expect((await write.inspect()).ExitCode).toBe(0);
  });
  it("secrets as files that inspect does not show, gone with the worker, also an adopted one", async () => {
    const settings = settingsFor(docker, {
      secrets: "file",
      isPublic: (name) => name === "SASL_ENABLED",
    });
    const runtime = await openDocker(docker, { settings });
    const spec = {
      ...specOf("af-1"),
      secrets: { NEO4J_PASS: "very-secret-value", TOKEN: "two\nlines", SASL_ENABLED: "true" },
    };
    const worker = value(await runtime.start(spec, signal));
    const shown = JSON.stringify(await docker.client.getContainer(worker.instance).inspect());
    expect(shown).not.toContain("very-secret-value");
    expect(shown).not.toContain("two\\nlines");
    const pid = (await workerPid(docker, worker.instance)) ?? 0;
    const seen = variablesOf(pid);
    expect([seen["NEO4J_PASS"], seen["TOKEN"], seen["SASL_ENABLED"]]).toEqual([
      undefined,
      undefined,
      "true",
    ]);
    const read = (name: string) => readFileSync(`/proc/${pid}/root${seen[`${name}_FILE`]}`, "utf8");
    expect([read("NEO4J_PASS"), read("TOKEN")]).toEqual(["very-secret-value", "two\nlines"]);
    expect(await volumes()).toBe(1);
    const next = await openDocker(docker, { settings });
    value(await next.stop(worker, signal));
    expect(await volumes()).toBe(0);
  });
});

describe("Runtime of docker: an engine that goes away", () => {
  for (const how of ["stop", "kill"] as const) {
    it(`after ${how} and start its workers are exited, and watch() tells`, async () => {
      const runtime = await openDocker(docker);
      const spec = specOf("af-1");
      const worker = value(await runtime.start(spec, signal));
      await expectChange(runtime, async () => {
        await docker.engine[how]();
        expect(codeOf(await runtime.list(signal))).toBe("unavailable");
        await docker.engine.start();
      });
      const exited = await whenState(runtime, spec, "exited");
      expect(exited.instance).toBe(worker.instance);
      value(await runtime.stop(exited, signal));
      await expectChange(runtime, async () => {
        value(await runtime.start(spec, signal));
      });
      expect((await openDocker(docker)).scope).toBe(runtime.scope);
    });
  }
  it("a hung engine makes a call end at its signal", async () => {
    const runtime = await openDocker(docker);
    docker.engine.signal("SIGSTOP");
    try {
      expect(codeOf(await runtime.list(AbortSignal.timeout(300)))).toBe("timeout");
    } finally {
      docker.engine.signal("SIGCONT");
    }
    expect((await listOf(runtime)).workers).toEqual([]);
  });
});

describe("Runtime of docker: what is missing", () => {
  it("a network is named, and nothing is left of the start", async () => {
    const settings = settingsFor(docker, { network: "no-such-network" });
    const runtime = await openDocker(docker, { settings });
    const started = await runtime.start(specOf("af-1"), signal);
    expect(started).toMatchObject({ ok: false, error: { code: "unavailable" } });
    expect(JSON.stringify(started)).toContain("docker network create no-such-network");
    expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
  });
  it("an image that cannot be had is named", async () => {
    const { log, lines } = sayingLog();
    const settings = settingsFor(docker, { image: "127.0.0.1:1/no/such:9" });
    const runtime = await openDocker(docker, { settings, log });
    const ids = ["af-1", "af-2", "af-3"];
    const started = await Promise.all(ids.map((id) => runtime.start(specOf(id), signal)));
    for (const each of started) {
      expect(each).toMatchObject({ ok: false, error: { code: "no-image", retry: "transient" } });
      expect(JSON.stringify(each)).toContain("image 127.0.0.1:1/no/such:9 is not on the engine");
    }
    // One try for all of them.
    expect(codeOf(await runtime.prepare(specOf("af-4"), signal))).toBe("no-image");
    expect(lines.filter((line) => line.includes('"pulling image"'))).toHaveLength(1);
    expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
  });
  it("an image that a registry has is pulled, once for all who wait", async () => {
    const registry = await startRegistry();
    try {
      const image = await registry.take(docker.client, WORKER_IMAGE);
      const { log, lines } = sayingLog();
      const runtime = await openDocker(docker, { settings: settingsFor(docker, { image }), log });
      const ids = ["af-1", "af-2", "af-3"];
      const [prepared, ...started] = await Promise.all([
        runtime.prepare(specOf("af-1"), signal),
        ...ids.map((id) => runtime.start(specOf(id), signal)),
      ]);
      expect(codeOf(prepared)).toBe("ok");
      expect(started.map(codeOf)).toEqual(["ok", "ok", "ok"]);
      const pulled = lines.filter((line) => line.includes('"pulled image"'));
      expect(pulled).toHaveLength(1);
      expect(pulled[0]).toContain('"layers_done":1');
    } finally {
      await registry.stop();
      await loadWorkerImage(docker.client);
    }
  });
});
