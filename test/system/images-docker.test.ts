/** The images, built from the Dockerfiles by a real engine: what is in them, and that it runs. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { type Build, buildImage, GLIBC_FILES, loadBases } from "./image-bases.ts";

const LIMIT_MS = 240_000;
const COMMIT = "0123456789ab";
/** Of the binary, 109 MB, and 2 MB of glibc. */
const SIZE_BYTES_MAX = 125_000_000;

type Image = Omit<Build, "commit"> & {
  readonly program: "agent" | "sidecar";
  readonly command: readonly string[];
  readonly port: string;
  readonly title: string;
};
const AGENT = "localhost/outrider-agent:1";

const images: readonly Image[] = [
  {
    ...{ tag: AGENT, dockerfile: "Dockerfile.agent" },
    ...{ program: "agent", command: ["run"], port: "8080/tcp", title: "outrider-agent" },
  },
  {
    ...{ tag: "localhost/outrider-control-plane:1", dockerfile: "Dockerfile.sidecar" },
    ...{ target: "control-plane", program: "sidecar", command: ["control-plane"] },
    ...{ port: "9090/tcp", title: "outrider-control-plane" },
  },
  {
    ...{ tag: "localhost/outrider-broker:1", dockerfile: "Dockerfile.sidecar" },
    ...{ program: "sidecar", command: ["broker"], port: "8080/tcp", title: "outrider-sidecar" },
  },
];

let docker: DockerBed;
beforeAll(async () => {
  docker = await startDocker();
  await loadBases(docker.client);
  for (const image of images) await buildImage(docker.client, { ...image, commit: COMMIT });
}, LIMIT_MS);
afterAll(async () => {
  await docker.stop();
}, LIMIT_MS);

/** Paths of a container's root that its image brought, directories left out. */
async function contentsOf(tag: string): Promise<readonly string[]> {
  const container = await docker.client.createContainer({ Image: tag });
  try {
    const list = Bun.spawn(["tar", "-tf", "-"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    for await (const chunk of await container.export()) void list.stdin.write(chunk);
    await list.stdin.end();
    const paths = (await list.stdout.text()).trim().split("\n");
    return paths.filter((path) => !path.endsWith("/") && !MADE_BY_THE_ENGINE.test(path)).toSorted();
  } finally {
    await container.remove();
  }
}

/** Mount points of every container. */
const MADE_BY_THE_ENGINE = /^(?:dev\/|etc\/(?:hostname|hosts|mtab|resolv\.conf)$|\.dockerenv$)/u;

/** Runs it as strictly as a cluster would: as its own user, on a read-only root, with no capability. */
async function runStrictly(tag: string, command: readonly string[]) {
  const container = await docker.client.createContainer({
    Image: tag,
    Cmd: [...command],
    HostConfig: {
      ...{ ReadonlyRootfs: true, CapDrop: ["ALL"], NetworkMode: "none" },
      SecurityOpt: ["no-new-privileges"],
    },
  });
  await container.start();
  const ended: unknown = await container.wait();
  const output = String(await container.logs({ stdout: true, stderr: true }));
  await container.remove();
  return { ended, output };
}

test.each(images)(
  "$tag has the program and five files of glibc, and nothing else",
  async ({ tag, program }) => {
    expect(await contentsOf(tag)).toEqual(
      ["lib64", ...GLIBC_FILES.map((name) => `lib/${name}`), `usr/local/bin/${program}`].toSorted(),
    );
    const { Size } = await docker.client.getImage(tag).inspect();
    process.stdout.write(`${tag}: ${Math.round(Size / 1e5) / 10} MB\n`);
    expect(Size).toBeLessThan(SIZE_BYTES_MAX);
  },
  LIMIT_MS,
);

test.each(images)(
  "$tag runs as nobody, and by itself does what it is for",
  async ({ tag, program, command, port, title }) => {
    const { Config } = await docker.client.getImage(tag).inspect();
    expect(Config).toMatchObject({
      User: "65532:65532",
      Entrypoint: [`/usr/local/bin/${program}`],
      Cmd: command,
      ExposedPorts: { [port]: {} },
      Labels: {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": COMMIT,
      },
    });
    expect((Config.Env ?? []).filter((pair) => !pair.startsWith("PATH="))).toEqual([]);
  },
  LIMIT_MS,
);

test.each(images)(
  "$tag answers --version on a read-only root, without capabilities and without a network",
  async ({ tag, program }) => {
    const { ended, output } = await runStrictly(tag, ["--version"]);
    expect(output).toContain(`${program} 0.1.0 (commit ${COMMIT}, built 2023-11-14T22:13:20Z)`);
    expect(ended).toMatchObject({ StatusCode: 0 });
  },
  LIMIT_MS,
);

test(
  "the images name a wrong configuration, and have no shell",
  async () => {
    const { ended, output } = await runStrictly(AGENT, []);
    expect(output).toContain("CLIENT_ID");
    expect(ended).toMatchObject({ StatusCode: 64 });
    const container = await docker.client.createContainer({
      Image: AGENT,
      Entrypoint: ["/bin/sh", "-c", "true"],
    });
    const refusal = await container.start().then(() => "started", String);
    expect(refusal).toContain("no such file or directory");
    await container.remove();
  },
  LIMIT_MS,
);

test.each(images)(
  "the history of $tag tells no secret and no path of the machine that built it",
  async ({ tag }) => {
    const steps = await docker.client.getImage(tag).history();
    const text = JSON.stringify(steps);
    expect(text).toContain("USER");
    expect(text).not.toMatch(/passw|secret|token|credential|_authToken|https?:/iu);
    expect(text).not.toContain(process.cwd());
  },
  LIMIT_MS,
);
