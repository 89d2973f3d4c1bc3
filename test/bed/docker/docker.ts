/**
 * A real Docker Engine for tests, in a box (test/bed/box/), with the worker's image and a network on which
 * containers reach what listens on its gateway.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { requireBox } from "../box/box.ts";
import { keepDirectory, reapDirectory } from "../reaper.ts";
import { BedUnavailable } from "../unavailable.ts";
import { createEngine, type Engine } from "./engine.ts";
import { loadWorkerImage } from "./image.ts";

const NETWORK = "kg-network";
const SUBNET = "172.30.0.0/24";
const GATEWAY = "172.30.0.1";

export type DockerBed = {
  readonly engine: Engine;
  /** `unix://…` of it. */
  readonly host: string;
  readonly client: Docker;
  /** The workers' network. Its gateway is an address of the box: give it to `startKafka({ host })`. */
  readonly network: { readonly name: string; readonly gateway: string };
  /** Removes every container, whoever created it. */
  readonly clear: () => Promise<void>;
  /** Ends the engine and its containers, and deletes all files. */
  readonly stop: () => Promise<void>;
};

/** Starts an engine and waits until it answers. @throws BedUnavailable */
export async function startDocker(flags: readonly string[] = []): Promise<DockerBed> {
  requireBox("network");
  const missing = Bun.env["OUTRIDER_BOX_MISSING"] ?? "";
  if (missing !== "") throw new BedUnavailable(missing);
  for (const program of ["dockerd", "containerd", "runc", "iptables"]) {
    if (Bun.which(program) !== null) continue;
    throw new BedUnavailable(
      `a Docker Engine is needed (${program} was not found): install docker.io`,
    );
  }
  const dir = await mkdtemp(join(tmpdir(), "docker-"));
  reapDirectory(dir);
  const cgroup = Bun.env["OUTRIDER_BOX_CGROUP"] ?? "";
  const engine = createEngine({ dir, cgroup, flags: [...flags, ...ownFlags()] });
  const stop = async () => {
    await engine.end();
    await unmountBelow(dir);
    await rm(dir, { recursive: true, force: true });
    keepDirectory(dir);
  };
  try {
    await engine.start();
    const client = new Docker({ socketPath: engine.socket });
    await client.createNetwork({
      Name: NETWORK,
      IPAM: { Driver: "default", Config: [{ Subnet: SUBNET, Gateway: GATEWAY }] },
    });
    await loadWorkerImage(client);
    return {
      engine,
      host: `unix://${engine.socket}`,
      client,
      network: { name: NETWORK, gateway: GATEWAY },
      clear: () => removeAll(client),
      stop,
    };
  } catch (error) {
    process.stderr.write(`${await engine.logTail()}\n`);
    await stop();
    throw error;
  }
}

/** The runc that is built for a current engine has no seccomp. */
const ownFlags = (): readonly string[] =>
  (Bun.env["BED_DOCKER"] ?? "") === "" ? [] : ["--seccomp-profile=unconfined"];

/** How many removals at a time. */
const REMOVALS_AT_ONCE = 16;

async function removeAll(client: Docker): Promise<void> {
  const left = (await client.listContainers({ all: true })).map(({ Id }) => Id);
  const work = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      await client.getContainer(id).remove({ force: true, v: true });
    }
  };
  await Promise.all(Array.from({ length: REMOVALS_AT_ONCE }, work));
}

/** What dockerd and containerd mounted in the box's mount namespace, deepest first. */
async function unmountBelow(dir: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  const below = mounts
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${dir}/`));
  for (const path of below.reverse()) Bun.spawnSync(["umount", "-l", path]);
}
