/**
 * What the Dockerfiles are built on when there is no registry: bun with a shell and the packages that
 * `bun install` would fetch, and glibc's five files where Debian has them.
 */
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type Docker from "dockerode";
import { finished } from "../bed/docker/image.ts";
import { reapDirectory } from "../bed/reaper.ts";

const ROOT = resolve(import.meta.dir, "../..");
const BUN_IMAGE = "localhost/base/bun:1";
const GLIBC_IMAGE = "localhost/base/glibc:1";
const APPLETS = ["sh", "mkdir", "ln", "true"] as const;
const TRIPLE = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const LOADER = process.arch === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2";
/** In the order of their names. */
export const GLIBC_FILES: readonly string[] = [
  LOADER,
  ...["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"],
];

export type Build = {
  readonly dockerfile: "Dockerfile.agent" | "Dockerfile.sidecar";
  readonly target?: "control-plane" | "ingest" | "broker";
  readonly tag: string;
  readonly commit: string;
};

/** Puts both bases into the engine. */
export async function loadBases(client: Docker): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "outrider-bases-"));
  reapDirectory(directory);
  try {
    await importRoot(client, GLIBC_IMAGE, await glibcRoot(join(directory, "glibc")));
    await importRoot(client, BUN_IMAGE, await bunRoot(join(directory, "bun")));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function glibcRoot(root: string): Promise<string> {
  for (const name of GLIBC_FILES) await put(root, `usr/lib/${TRIPLE}/${name}`);
  return root;
}

async function bunRoot(root: string): Promise<string> {
  await glibcRoot(root);
  // As Debian's merged /usr has it.
  await symlink("usr/lib", join(root, "lib"));
  await symlink(`usr/lib/${TRIPLE}`, join(root, "lib64"));
  await cp(process.execPath, join(root, "bin/bun"), { dereference: true });
  await cp(Bun.which("busybox") ?? "busybox", join(root, "bin/busybox"));
  for (const name of APPLETS) await symlink("busybox", join(root, "bin", name));
  await mkdir(join(root, "tmp"));
  await mkdir(join(root, "src"));
  for (const name of ["package.json", "bun.lock", "bunfig.toml"]) {
    await cp(join(ROOT, name), join(root, "src", name));
  }
  // From the cache that the machine's own `bun install` has filled.
  const install = [process.execPath, "install", "--frozen-lockfile", "--production"];
  await run(install, join(root, "src"));
  return root;
}

async function put(root: string, path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await cp(`/${path}`, join(root, path), { dereference: true });
}

async function importRoot(client: Docker, name: string, root: string): Promise<void> {
  const tar = `${root}.tar`;
  await run(["tar", "-C", root, "--owner=0", "--group=0", "-cf", tar, "."], root);
  const [repo, tag] = name.split(/:(?=[^/:]+$)/u);
  const environment = ["ENV PATH=/bin", "ENV HOME=/tmp"];
  await finished(client, await client.importImage(tar, { repo, tag, changes: environment }));
}

/** By the engine's own builder, as `DOCKER_BUILDKIT=0 docker build` does, and without a network. */
export async function buildImage(client: Docker, build: Build): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "outrider-context-"));
  reapDirectory(directory);
  try {
    const tar = join(directory, "context.tar");
    await run(["tar", "-cf", tar, build.dockerfile, ...(await contextPaths())], ROOT);
    const stream = await client.buildImage(tar, {
      dockerfile: build.dockerfile,
      t: build.tag,
      ...(build.target === undefined ? {} : { target: build.target }),
      networkmode: "none",
      buildargs: { BUN_IMAGE, GLIBC_IMAGE, COMMIT: build.commit, SOURCE_DATE_EPOCH: "1700000000" },
    });
    await finished(client, stream);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What .dockerignore lets in: the rest must not be needed. */
async function contextPaths(): Promise<readonly string[]> {
  const lines = (await Bun.file(join(ROOT, ".dockerignore")).text()).split("\n");
  return lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
}

async function run(command: readonly string[], cwd: string): Promise<void> {
  const child = Bun.spawn([...command], { cwd, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${said}`);
}
