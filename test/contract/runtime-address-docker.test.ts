/** Reaching an engine: over TLS, verified whatever the environment says; by a socket that is not ours. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, chown, copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "../../shared/config/host.ts";
import {
  DEFAULT_SOCKET,
  engineAddress,
} from "../../sidecar/control-plane/runtime/docker/address.ts";
import { dockerRuntime } from "../../sidecar/control-plane/runtime/docker/runtime.ts";
import { binaries } from "../bed/binaries.ts";
import { requireBox } from "../bed/box/box.ts";
import { createAuthority } from "../bed/certificate.ts";
import { type DockerBed, startDocker } from "../bed/docker/docker.ts";
import { freePort } from "../bed/port.ts";
import { startProcess } from "../bed/process.ts";
import { optionsFor } from "./runtime-docker-bed.ts";
import { expectChange, specOf, value } from "./runtime-subject.ts";

const START_MS = 60_000;
const LIMIT_MS = 60_000;
const NOBODY = 65_534;

let dir = "";
let port = 0;
let docker: DockerBed;

/** What the docker command finds in DOCKER_CERT_PATH, of an authority with that name. */
async function clientFiles(name: string): Promise<string> {
  const authority = await createAuthority(join(dir, name));
  const subjectAltNames = ["IP:127.0.0.1"];
  const server = {
    name: "server",
    commonName: "engine",
    usage: "server",
    subjectAltNames,
  } as const;
  const { certFile, keyFile } = await authority.issue(server);
  const client = await authority.issue({ name: "client", commonName: "us", usage: "client" });
  const path = join(dir, `${name}-client`);
  await mkdir(path);
  await copyFile(authority.caFile, join(path, "ca.pem"));
  await copyFile(client.certFile, join(path, "cert.pem"));
  await copyFile(client.keyFile, join(path, "key.pem"));
  await copyFile(certFile, join(path, "server-cert.pem"));
  await copyFile(keyFile, join(path, "server-key.pem"));
  return path;
}

beforeAll(async () => {
  requireBox("network");
  dir = await mkdtemp(join(tmpdir(), "tls-"));
  const files = await clientFiles("good");
  // Good for the engine, but it trusts others: whoever refuses then, is us.
  await copyFile(join(await clientFiles("other"), "ca.pem"), join(dir, "ca.pem"));
  for (const file of ["cert.pem", "key.pem"]) await copyFile(join(files, file), join(dir, file));
  port = await freePort();
  docker = await startDocker([
    ...["--host", "unix:///var/run/docker.sock"],
    ...["--host", `tcp://127.0.0.1:${port}`, "--tlsverify", "--tlscacert", join(files, "ca.pem")],
    ...["--tlscert", join(files, "server-cert.pem"), "--tlskey", join(files, "server-key.pem")],
  ]);
}, START_MS);
afterAll(async () => {
  await docker.stop();
  await rm(dir, { recursive: true, force: true });
}, START_MS);

async function open(variables: Readonly<Record<string, string>>) {
  const address = engineAddress({
    environment: { DOCKER_HOST: `tcp://127.0.0.1:${port}`, ...variables },
    readFile: openHost().readFile,
  });
  return await dockerRuntime({ ...optionsFor(docker), address: value(address), openMsMax: 0 });
}

test(
  "a runtime over TLS starts, follows events and stops",
  async () => {
    const runtime = value(
      await open({ DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: join(dir, "good-client") }),
    );
    const { signal } = new AbortController();
    await expectChange(runtime, async () => {
      const worker = value(await runtime.start(specOf("af-1"), signal));
      value(await runtime.stop(worker, signal));
    });
  },
  LIMIT_MS,
);

test.each(["1", "0"])(
  "an engine of another authority is refused, with NODE_TLS_REJECT_UNAUTHORIZED=%s",
  async (reject) => {
    const { sidecar } = await binaries();
    const run = startProcess({
      name: "control-plane",
      command: [sidecar, "control-plane", "--plan"],
      env: {
        DOCKER_HOST: `tcp://127.0.0.1:${port}`,
        DOCKER_TLS_VERIFY: "1",
        DOCKER_CERT_PATH: dir,
        NODE_TLS_REJECT_UNAUTHORIZED: reject,
        KAFKA_BROKERS: "127.0.0.1:1",
      },
    });
    expect((await run.exited).code).toBe(64);
    expect(run.output()).toMatch(/certificate|self[- ]signed/iu);
  },
  LIMIT_MS,
);

test(
  "an engine that asks for TLS is not reached without",
  async () => expect(await open({})).toMatchObject({ ok: false, error: { exit: 64 } }),
  LIMIT_MS,
);

test(
  "a socket that may not be opened ends the program, and names path, user and group",
  async () => {
    const { sidecar } = await binaries();
    await chmod(DEFAULT_SOCKET, 0o660);
    await chown(DEFAULT_SOCKET, 0, 4711);
    const run = startProcess({
      name: "control-plane",
      command: [
        ...["setpriv", "--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"],
        ...[sidecar, "control-plane", "--plan"],
      ],
      env: { KAFKA_BROKERS: "127.0.0.1:1", PATH: "/usr/bin:/bin" },
    });
    expect((await run.exited).code).toBe(64);
    expect(run.output()).toContain(
      `the engine's socket ${DEFAULT_SOCKET} (owner 0, group 4711, mode 660) cannot be opened by uid ${NOBODY}: EACCES; give this process the group 4711`,
    );
  },
  LIMIT_MS,
);
