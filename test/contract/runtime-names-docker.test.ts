/** Whose a container is, told by name and labels, and what may be done to it. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { LABELS } from "../../sidecar/control-plane/runtime/docker/container.ts";
import type { Worker } from "../../sidecar/control-plane/runtime/runtime.ts";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { WORKER_IMAGE } from "../bed/docker/image.ts";
import { clockOf } from "../clock.ts";
import { openDocker } from "./runtime-docker-bed.ts";
import { codeOf, find, listOf, signal, specOf, value } from "./runtime-subject.ts";

const LIMIT_MS = 120_000;
const START_MS = 60_000;
const MANY = 1000;
const CREATED_AT_ONCE = 16;

let docker: DockerBed;
beforeAll(async () => {
  docker = await startDocker();
}, START_MS);
afterAll(() => docker.stop(), START_MS);
afterEach(() => docker.clear(), START_MS);

const it = (what: string, run: () => Promise<void>) => test(what, run, LIMIT_MS);
const nameOf = (id: string) => `kg-graph-builder-${id}`;
const labelsOf = (id: string) => ({
  [LABELS.fleet]: "fleet-a",
  [LABELS.clientId]: id,
  [LABELS.specHash]: "0123456789abcdef",
  [LABELS.name]: nameOf(id),
});

type Made = {
  readonly image?: string;
  readonly env?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
};

/** A container by other hands; its id. */
async function make(name: string, { image = WORKER_IMAGE, env = [], labels = {} }: Made = {}) {
  const made = await docker.client.createContainer({
    name,
    Image: image,
    Env: [...env],
    Labels: labels,
    HostConfig: { Init: true, NetworkMode: docker.network.name },
  });
  return made;
}

const isRunning = async (id: string) =>
  (await docker.client.getContainer(id).inspect()).State.Running;

describe("Runtime of docker: states", () => {
  it("a thousand that were created are listed, as starting", async () => {
    const runtime = await openDocker(docker);
    const ids = Array.from({ length: MANY }, (_, i) => `many-${i}`);
    const queue = [...ids];
    const work = async () => {
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
        await make(nameOf(id), { labels: labelsOf(id) });
      }
    };
    await Promise.all(Array.from({ length: CREATED_AT_ONCE }, work));
    const beganMs = performance.now();
    const { workers, foreign } = await listOf(runtime);
    process.stderr.write(`${MANY} listed in ${Math.round(performance.now() - beganMs)} ms\n`);
    expect(workers.map(({ clientId }) => String(clientId)).toSorted()).toEqual(ids.toSorted());
    expect(new Set(workers.map(({ state }) => state))).toEqual(new Set(["starting"]));
    expect(foreign).toEqual([]);
  });
  it("one whose maker was killed before its start counts as exited in the end, and is removed", async () => {
    let nowMs = 0;
    const runtime = await openDocker(docker, { clock: clockOf({ monotonicMs: () => nowMs }) });
    await make(nameOf("af-1"), { labels: labelsOf("af-1") });
    expect(await find(runtime, specOf("af-1"))).toMatchObject({ state: "starting" });
    nowMs = 29_999;
    expect(await find(runtime, specOf("af-1"))).toMatchObject({ state: "starting" });
    nowMs = 30_000;
    const left = await find(runtime, specOf("af-1"));
    expect(left).toMatchObject({ state: "exited", exit: "unknown" });
    if (left !== undefined) value(await runtime.stop(left, signal));
    value(await runtime.start(specOf("af-1"), signal));
  });
  it("one that is paused does not run, goes on when it is let go, and can be stopped", async () => {
    const runtime = await openDocker(docker);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    await docker.client.getContainer(worker.instance).pause();
    const paused = { state: "starting", held: "paused by another" };
    expect(await find(runtime, specOf("af-1"))).toMatchObject(paused);
    await docker.client.getContainer(worker.instance).unpause();
    const goesOn = await find(runtime, specOf("af-1"));
    expect([goesOn?.state, goesOn?.held]).toEqual(["running", undefined]);
    await docker.client.getContainer(worker.instance).pause();
    value(await runtime.stop(worker, signal));
    expect((await listOf(runtime)).workers).toEqual([]);
  });
  it("one that an operator started again runs", async () => {
    const runtime = await openDocker(docker);
    const spec = specOf("af-1");
    const worker = value(await runtime.start(spec, signal));
    const container = docker.client.getContainer(worker.instance);
    await container.kill();
    await container.wait();
    expect(await find(runtime, spec)).toMatchObject({ state: "exited", exit: "signal:SIGKILL" });
    await container.start();
    expect(await find(runtime, spec)).toMatchObject({ state: "running" });
  });
});

describe("Runtime of docker: what is not ours", () => {
  test.each([
    ["has no labels", {}],
    ["has some of them", { [LABELS.fleet]: "fleet-a", [LABELS.clientId]: "af-1" }],
    ["has those of another name", labelsOf("af-2")],
    ["has a client id that is none", { ...labelsOf("af-1"), [LABELS.clientId]: "../x" }],
  ] as const)(
    "what holds a worker's name and %s is shown and left alone",
    async (_, labels) => {
      const runtime = await openDocker(docker);
      const made = await make(nameOf("af-1"), { labels });
      await made.start();
      const { workers, foreign } = await listOf(runtime);
      expect([workers, foreign.map(({ name }) => name)]).toEqual([[], [nameOf("af-1")]]);
      expect(codeOf(await runtime.start(specOf("af-1"), signal))).toBe("name-taken");
      expect(codeOf(await runtime.stop(workerNamed("af-1", made.id), signal))).toBe("not-found");
      expect(await isRunning(made.id)).toBe(true);
    },
    LIMIT_MS,
  );
  it("what copied a worker's labels under another name is neither listed nor stopped", async () => {
    const runtime = await openDocker(docker);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    const copy = await make("debugging", { labels: labelsOf("af-1") });
    await copy.start();
    expect(await listOf(runtime)).toEqual({ workers: [worker], foreign: [] });
    const taken = { ...worker, instance: copy.id };
    expect(codeOf(await runtime.stop(taken, signal))).toBe("not-found");
    expect(await isRunning(copy.id)).toBe(true);
  });
  it("a worker that was renamed is nobody's any more", async () => {
    const runtime = await openDocker(docker);
    const worker = value(await runtime.start(specOf("af-1"), signal));
    await docker.client.getContainer(worker.instance).rename({ name: "kept-for-a-look" });
    expect(await listOf(runtime)).toEqual({ workers: [], foreign: [] });
    expect(codeOf(await runtime.stop(worker, signal))).toBe("not-found");
    expect(await isRunning(worker.instance)).toBe(true);
  });
});

const workerNamed = (id: string, instance: string): Worker => ({
  ...specOf(id),
  instance,
  state: "running",
  startedAtMs: 0,
});

describe("Runtime of docker: what the original made", () => {
  const env = (id: string, group = `kg-builder-${id}`) => [
    `CLIENT_ID=${id}`,
    `KAFKA_GROUP=${group}`,
    "KAFKA_BROKERS=kafka:9092",
    "NEO4J_PASS=theirs",
  ];
  it("is taken over when it may be and all of it agrees", async () => {
    const made = await make(nameOf("af-1"), { env: env("af-1") });
    await made.start();
    const without = await openDocker(docker);
    const [blocked] = (await listOf(without)).foreign;
    expect(blocked?.takeOver).toBeUndefined();
    const runtime = await openDocker(docker, { takeOver: true });
    const { workers, foreign } = await listOf(runtime);
    expect(workers).toEqual([]);
    const takeOver = foreign[0]?.takeOver;
    expect(takeOver).toMatchObject({ clientId: "af-1", instance: made.id, state: "running" });
    if (takeOver === undefined) throw new Error("nothing to take over");
    expect(codeOf(await without.stop(takeOver, signal))).toBe("not-found");
    expect(await isRunning(made.id)).toBe(true);
    value(await runtime.stop(takeOver, signal));
    const ours = value(await runtime.start(specOf("af-1"), signal));
    expect(await listOf(runtime)).toEqual({ workers: [ours], foreign: [] });
  });
  test.each([
    ["another cluster's id", { env: env("af-2") }, 'CLIENT_ID is \\"af-2\\"'],
    ["another group", { env: env("af-1", "mine") }, 'KAFKA_GROUP is \\"mine\\"'],
    ["no variables", {}, 'CLIENT_ID is \\"\\"'],
    [
      "another image",
      { env: env("af-1"), image: "localhost/other:1" },
      "image is not of localhost/outrider-worker",
    ],
    [
      "a label of ours",
      { env: env("af-1"), labels: { [LABELS.fleet]: "other" } },
      "labels of Outrider",
    ],
  ] as const)(
    "is left alone with %s, and says so",
    async (_, made, why) => {
      await docker.client.getImage(WORKER_IMAGE).tag({ repo: "localhost/other", tag: "1" });
      const container = await make(nameOf("af-1"), made);
      await container.start();
      const runtime = await openDocker(docker, { takeOver: true });
      const { foreign } = await listOf(runtime);
      expect(foreign).toHaveLength(1);
      expect(foreign[0]?.takeOver).toBeUndefined();
      expect(JSON.stringify(foreign[0]?.detail)).toContain(why);
      const meant = workerNamed("af-1", container.id);
      expect(codeOf(await runtime.stop(meant, signal))).toBe("not-found");
      expect(await isRunning(container.id)).toBe(true);
    },
    LIMIT_MS,
  );
});
