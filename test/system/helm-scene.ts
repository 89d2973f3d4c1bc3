/** Both charts on a real cluster: the images, the releases, and what became of them. */
import { join } from "node:path";
import * as v from "valibot";
import { binaries } from "../bed/binaries.ts";
import { until } from "../bed/condition.ts";
import { writeImage } from "../bed/kubernetes/image.ts";
import type { KubernetesBed } from "../bed/kubernetes/kubernetes.ts";
import { GLIBC_FILES } from "./image-bases.ts";
import { type ChartName, chartPath, type Values } from "./manifest.ts";

const RELEASE_MS = 120_000;
const TRIPLE = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

export const IMAGES = {
  agent: "localhost/outrider-agent:1",
  sidecar: "localhost/outrider-sidecar:1",
  /** The sidecar as a worker: `ingest` by itself. */
  worker: "localhost/outrider-worker:1",
  /** A worker that asks nothing of Kafka. */
  idle: "localhost/idle-worker:1",
} as const;

const IDLE = ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"];

type ProgramImage = {
  readonly name: string;
  readonly program: "agent" | "sidecar";
  /** Of its entry point, after the program. */
  readonly args?: readonly string[];
};

/** The compiled programs on glibc's five files, as in the images that the Dockerfiles make. */
export async function loadImages(bed: KubernetesBed): Promise<void> {
  await loadIdle(bed);
  await loadProgram(bed, { name: IMAGES.agent, program: "agent" });
  await loadProgram(bed, { name: IMAGES.sidecar, program: "sidecar" });
  await loadProgram(bed, { name: IMAGES.worker, program: "sidecar", args: ["ingest"] });
}

/** A program that does nothing until it is ended. */
export async function loadIdle(bed: KubernetesBed): Promise<void> {
  const tar = join(bed.directory, "image.tar");
  await writeImage(tar, {
    name: IMAGES.idle,
    files: { "/bin/busybox": "/bin/busybox" },
    links: { "/bin/sh": "busybox", "/bin/sleep": "busybox" },
    entrypoint: IDLE,
  });
  await bed.loadImage(tar);
}

export async function loadProgram(
  bed: KubernetesBed,
  { name, program, args = [] }: ProgramImage,
): Promise<void> {
  const built = await binaries();
  const tar = join(bed.directory, "image.tar");
  // On the PATH that the bed gives its images.
  const path = `/bin/${program}`;
  const libraries = GLIBC_FILES.map((each) => [`/lib/${each}`, `/usr/lib/${TRIPLE}/${each}`]);
  await writeImage(tar, {
    name,
    files: { ...Object.fromEntries(libraries), [path]: built[program] },
    links: { "/lib64": "lib" },
    entrypoint: [path, ...args],
    user: "65532:65532",
  });
  await bed.loadImage(tar);
}

const Pods = v.object({
  items: v.array(
    v.object({
      metadata: v.object({ name: v.string() }),
      status: v.object({
        conditions: v.optional(v.array(v.object({ type: v.string(), status: v.string() })), []),
      }),
    }),
  ),
});

const imageValues = (name: string) => {
  const [repository, tag] = name.split(/:(?=[^/:]+$)/u);
  return { repository, tag, pullPolicy: "Never" };
};

/** Short times, so that a test sees what a user sees in minutes. */
export const sidecarValues = (kafka: Values, more: Values = {}): Values => ({
  image: imageValues(IMAGES.sidecar),
  kafka,
  controlPlane: {
    timing: { heartbeatTimeout: "6s", cleanupTimeout: "12s", sessionTimeout: "6s" },
  },
  workers: { image: IMAGES.worker, memoryLimit: "256M" },
  ...more,
});

export const agentValues = (id: string, kafka: Values, hooks: Values = {}): Values => ({
  image: imageValues(IMAGES.agent),
  client: { id, kafka },
  heartbeat: { interval: "1s" },
  hooks,
});

/** One namespace's releases. */
export type Scene = {
  readonly install: (chart: ChartName, release: string, values: Values) => Promise<string>;
  readonly upgrade: (chart: ChartName, release: string, values: Values) => Promise<string>;
  readonly uninstall: (release: string) => Promise<string>;
  readonly test: (release: string) => Promise<string>;
  /** `pod/edge-...`, by kinds and label. */
  readonly names: (kinds: string, selector: string) => Promise<readonly string[]>;
  readonly logs: (selector: string) => Promise<string>;
  /** The uid of the cluster's Job; undefined when there is none. */
  readonly jobUid: (clientId: string) => Promise<string | undefined>;
  /** Names of pods whose `Ready` is true. */
  readonly readyPods: (selector: string) => Promise<readonly string[]>;
  /** All that may tell why a test failed. */
  readonly evidence: () => Promise<string>;
};

export function openScene(bed: KubernetesBed, namespace: string): Scene {
  const inNamespace = ["--namespace", namespace];
  const timeout = ["--timeout", `${RELEASE_MS / 1000}s`];
  const deploy = (verb: string) => async (chart: ChartName, release: string, values: Values) => {
    const file = join(bed.directory, `${release}-values.json`);
    await Bun.write(file, JSON.stringify(values), { mode: 0o600 });
    const path = chartPath(chart);
    return bed.helm([verb, release, path, "-f", file, "--wait", ...timeout, ...inNamespace]);
  };
  const kubectl = (...words: readonly string[]) => bed.kubectl([...words, ...inNamespace]);
  const column = async (words: readonly string[], jsonpath: string) => {
    const out = await kubectl("get", ...words, "-o", `jsonpath=${jsonpath}`);
    return out.split("\n").filter((line) => line !== "");
  };
  return {
    install: deploy("install"),
    upgrade: deploy("upgrade"),
    uninstall: (release) => bed.helm(["uninstall", release, "--wait", ...timeout, ...inNamespace]),
    test: (release) => bed.helm(["test", release, "--logs", ...timeout, ...inNamespace]),
    names: async (kinds, selector) => {
      const out = await kubectl("get", kinds, "-l", selector, "-o", "name");
      return out.split("\n").filter((line) => line !== "");
    },
    logs: (selector) => kubectl("logs", "-l", selector, "--tail=-1", "--prefix=false"),
    jobUid: async (clientId) => {
      const words = ["jobs", "-l", `outrider.client-id=${clientId}`];
      return (await column(words, '{range .items[*]}{.metadata.uid}{"\\n"}{end}'))[0];
    },
    readyPods: async (selector) => {
      const found: unknown = JSON.parse(await kubectl("get", "pods", "-l", selector, "-o", "json"));
      return v
        .parse(Pods, found)
        .items.filter(({ status }) =>
          status.conditions.some(({ type, status: value }) => type === "Ready" && value === "True"),
        )
        .map(({ metadata }) => metadata.name);
    },
    evidence: async () => {
      const pods = await column(["pods"], '{range .items[*]}{.metadata.name}{"\\n"}{end}');
      const texts = [await kubectl("get", "all,events", "-o", "wide")];
      for (const pod of pods) {
        const log = await kubectl("logs", pod, "--tail=60").catch(String);
        texts.push(`--- ${pod}\n${log}`);
      }
      return texts.join("\n");
    },
  };
}

/** Waits for exactly so many ready pods. */
export const untilReady = (scene: Scene, selector: string, count: number) =>
  until(
    `${count} ready pods of ${selector}`,
    async () => {
      const ready = await scene.readyPods(selector);
      if (ready.length !== count) throw new Error(ready.join(", "));
      return true;
    },
    { deadlineMs: RELEASE_MS },
  );
