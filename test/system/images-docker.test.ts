/** The images, built from the Dockerfiles by a real engine: what is in them, and that it runs. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import type Docker from "dockerode";
import { until } from "../bed/condition.ts";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { WORKER_IMAGE } from "../bed/docker/image.ts";
import { type KafkaBed, startKafka } from "../bed/kafka/kafka.ts";
import { interpolated, type Service, serviceOf, servicesOf } from "./compose-file.ts";
import { documentedCommands, typed } from "./documented.ts";
import { type Build, buildImage, GLIBC_FILES, loadBases } from "./image-bases.ts";

const LIMIT_MS = 240_000;
const COMMIT = "0123456789ab";
/** Of the binary, 115 to 126 MB, of which 98 MB are Bun; and 2 MB of glibc. */
const SIZE_BYTES_MAX = 140_000_000;

type Image = Omit<Build, "commit"> & {
  readonly program: "agent" | "sidecar";
  readonly command: readonly string[];
  readonly port?: string;
  readonly title: string;
};
const AGENT = "localhost/outrider-agent:1";
const PLANE = "localhost/outrider-control-plane:1";
const RUN_MS = 60_000;

const images: readonly Image[] = [
  {
    ...{ tag: AGENT, dockerfile: "Dockerfile.agent" },
    ...{ program: "agent", command: ["run"], port: "8080/tcp", title: "outrider-agent" },
  },
  {
    ...{ tag: PLANE, dockerfile: "Dockerfile.sidecar" },
    ...{ target: "control-plane", program: "sidecar", command: ["control-plane"] },
    ...{ port: "9090/tcp", title: "outrider-control-plane" },
  },
  {
    ...{ tag: "localhost/outrider-ingest:1", dockerfile: "Dockerfile.sidecar" },
    ...{ target: "ingest", program: "sidecar", command: ["ingest"], title: "outrider-ingest" },
  },
  {
    ...{ tag: "localhost/outrider-broker:1", dockerfile: "Dockerfile.sidecar" },
    ...{ program: "sidecar", command: ["broker"], port: "8080/tcp", title: "outrider-sidecar" },
  },
];

let docker: DockerBed;
let kafka: KafkaBed;
beforeAll(async () => {
  docker = await startDocker();
  kafka = await startKafka({ host: docker.network.gateway });
  await loadBases(docker.client);
  for (const image of images) await buildImage(docker.client, { ...image, commit: COMMIT });
}, LIMIT_MS);
afterAll(async () => {
  await kafka?.stop();
  await docker?.stop();
}, LIMIT_MS);

type Entry = { readonly path: string; readonly bytes: number };
/** One line of `tar --list --verbose`: mode, owner, size, date, time, path, and where a link leads. */
const LISTED = /^\S+ \S+ +(?<bytes>\d+) \S+ \S+ (?<path>.+?)(?: -> .*)?$/u;

/**
 * What an image brought into a container's root, directories left out. Their sizes are the image's: what an
 * engine says of it counts the compressed layers too where it keeps both (Docker 29).
 */
async function contentsOf(tag: string): Promise<readonly Entry[]> {
  const container = await docker.client.createContainer({ Image: tag });
  try {
    const list = Bun.spawn(["tar", "--list", "--verbose", "--file=-"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    for await (const chunk of await container.export()) void list.stdin.write(chunk);
    await list.stdin.end();
    const entries = (await list.stdout.text()).split("\n").flatMap((line): Entry[] => {
      const { bytes, path } = LISTED.exec(line)?.groups ?? {};
      return path === undefined ? [] : [{ path, bytes: Number(bytes) }];
    });
    return entries.filter(({ path }) => !path.endsWith("/") && !MADE_BY_THE_ENGINE.test(path));
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
    const contents = await contentsOf(tag);
    expect(contents.map(({ path }) => path).toSorted()).toEqual(
      ["lib64", ...GLIBC_FILES.map((name) => `lib/${name}`), `usr/local/bin/${program}`].toSorted(),
    );
    const bytes = contents.reduce((sum, each) => sum + each.bytes, 0);
    process.stdout.write(`${tag}: ${Math.round(bytes / 1e5) / 10} MB\n`);
    expect(bytes).toBeGreaterThan(SIZE_BYTES_MAX / 2);
    expect(bytes).toBeLessThan(SIZE_BYTES_MAX);
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
      ...(port === undefined ? {} : { ExposedPorts: { [port]: {} } }),
      Labels: {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": COMMIT,
      },
    });
    expect((Config.Env ?? []).filter((pair) => !pair.startsWith("BUN_JSC_"))).toEqual([
      "PATH=/usr/local/bin",
    ]);
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

/** What differs here: where Kafka is, and the engine's socket. */
async function start(service: Service, image: string, more: Readonly<Record<string, string>> = {}) {
  const environment = {
    ...service.environment,
    KAFKA_BROKERS: kafka.bootstrap,
    DOCKER_NETWORK: docker.network.name,
    ...more,
  };
  const container = await docker.client.createContainer({
    Image: image,
    ...(service.container_name === undefined ? {} : { name: service.container_name }),
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    HostConfig: {
      // A path is the engine's socket; a name is a volume.
      Binds: service.volumes.map((each) => each.replace(/^\/[^:]+/u, docker.engine.socket)),
      GroupAdd: [...service.group_add],
      ReadonlyRootfs: service.read_only,
      CapDrop: [...service.cap_drop],
      SecurityOpt: [...service.security_opt],
      NetworkMode: docker.network.name,
    },
  });
  await container.start();
  return container;
}

const logOf = async (container: Docker.Container): Promise<string> =>
  String(await container.logs({ stdout: true, stderr: true }));

const untilLogged = (container: Docker.Container, pattern: RegExp) =>
  until(
    `the log to match ${pattern}`,
    async () => {
      const log = await logOf(container);
      if (!pattern.test(log)) throw new Error(log.slice(-2000));
      return log;
    },
    { deadlineMs: RUN_MS },
  );

const socketGroup = () => String(statSync(docker.engine.socket).gid);

test(
  "compose.yaml runs a control plane by the socket's group, an agent, and the agent's worker",
  async () => {
    const group = { DOCKER_GROUP: socketGroup() };
    const services = await servicesOf("compose.yaml", group);
    expect(Object.keys(services)).toEqual(["kafka", "control-plane", "agent"]);
    const quick = { HEARTBEAT_TIMEOUT: "6s", SESSION_TIMEOUT: "6s" };
    const plane = await start(serviceOf(services, "control-plane"), PLANE, {
      GRAPH_BUILDER_IMAGE: WORKER_IMAGE,
      ...quick,
    });
    await untilLogged(plane, /"message":"leading"/u);
    const agent = await start(serviceOf(services, "agent"), AGENT);
    await untilLogged(agent, /heartbeats arrive/u);
    const names = await until(
      "the worker to run",
      async () => {
        const running = await docker.client.listContainers();
        const found = running.flatMap(({ Names }) => Names);
        return found.includes("/kg-graph-builder-af-10") ? found : undefined;
      },
      { deadlineMs: RUN_MS },
    );
    expect(names).toHaveLength(3);
    await runDocumented(plane);
    await docker.clear();
  },
  LIMIT_MS,
);

/** What docs/operating.md tells to type, with the control plane's address in place of localhost. */
async function runDocumented(plane: Docker.Container): Promise<void> {
  const env = { PATH: "/usr/bin:/bin", HOME: "/tmp", DOCKER_HOST: docker.host };
  for (const command of await documentedCommands("docker")) await typed(command, env);
  const { NetworkSettings } = await plane.inspect();
  const address = NetworkSettings.Networks[docker.network.name]?.IPAddress ?? "";
  for (const command of await documentedCommands("http")) {
    await typed(command.replace("localhost", address), env);
  }
}

test(
  "compose.yaml without DOCKER_GROUP says what to export",
  async () => {
    const text = await Bun.file(join(import.meta.dir, "../../compose.yaml")).text();
    expect(() => interpolated(text, {})).toThrow("export DOCKER_GROUP=");
  },
  LIMIT_MS,
);

test(
  "the original's compose file with our image starts the control plane, which names the group that it lacks",
  async () => {
    const services = await servicesOf("test/vector/seed/compose.yaml");
    const seed = serviceOf(services, "kg-control-plane");
    const refused = await start(seed, PLANE);
    expect(await refused.wait()).toMatchObject({ StatusCode: 64 });
    const said = await logOf(refused);
    expect(said).toContain("docker.sock");
    expect(said).toContain(`group ${socketGroup()}`);
    await docker.clear();
    const helped = await start({ ...seed, group_add: [socketGroup()] }, PLANE);
    const log = await untilLogged(helped, /"message":"leading"/u);
    expect(log).toContain('"runtime":"docker"');
    await docker.clear();
  },
  LIMIT_MS,
);
