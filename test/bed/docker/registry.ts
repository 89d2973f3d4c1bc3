/** A real image registry (Debian's docker-registry) on loopback in a box: engines take it without TLS there. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import { until } from "../condition.ts";
import { freePort } from "../port.ts";
import { type BedProcess, startProcess } from "../process.ts";
import { BedUnavailable } from "../unavailable.ts";
import { finished } from "./image.ts";

const READY_MS = 20_000;

export type Registry = {
  readonly process: BedProcess;
  /** Moves an image from the engine into the registry. Returns its name there. */
  readonly take: (client: Docker, image: string) => Promise<string>;
  readonly stop: () => Promise<void>;
};

export async function startRegistry(): Promise<Registry> {
  const program = Bun.which("docker-registry");
  if (program === null) {
    throw new BedUnavailable("a registry is needed for pulls: install docker-registry");
  }
  const dir = await mkdtemp(join(tmpdir(), "registry-"));
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const config = join(dir, "config.yml");
  await Bun.write(
    config,
    `version: 0.1
storage: {filesystem: {rootdirectory: ${dir}/data}}
http: {addr: "${address}"}
`,
  );
  const process = startProcess({ name: "registry", command: [program, "serve", config], env: {} });
  await until("the registry to answer", async () => (await fetch(`http://${address}/v2/`)).ok, {
    deadlineMs: READY_MS,
  });
  return {
    process,
    take: async (client, image) => {
      const repository = `${address}/${image.replace(/^localhost\//u, "").replace(/:.*$/u, "")}`;
      await client.getImage(image).tag({ repo: repository, tag: "1" });
      const there = `${repository}:1`;
      const auth = { username: "", password: "", serveraddress: address };
      await finished(client, await client.getImage(there).push({ authconfig: auth }));
      await client.getImage(there).remove();
      await client.getImage(image).remove();
      return there;
    },
    stop: async () => {
      await process.stop(0);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
