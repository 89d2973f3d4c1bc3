/** Images without a registry: assembled from files of this machine, and imported. */
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type Docker from "dockerode";
import { binaries } from "../binaries.ts";
import { BedUnavailable } from "../unavailable.ts";

/** Busybox and worker.sh. */
export const WORKER_IMAGE = "localhost/outrider-worker:1";
/** `dist/sidecar` alone. */
export const SIDECAR_IMAGE = "localhost/outrider-sidecar:1";

const APPLETS = ["sh", "sleep", "seq", "echo", "cat", "touch", "env", "ls", "id", "kill"] as const;
/** What the glibc build of Bun needs. */
const LIBRARIES: ReadonlyMap<NodeJS.Architecture, readonly string[]> = new Map([
  [
    "x64",
    [
      "/lib64/ld-linux-x86-64.so.2",
      ...["libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"].map(
        (name) => `/lib/x86_64-linux-gnu/${name}`,
      ),
    ],
  ],
  [
    "arm64",
    [
      "/lib/ld-linux-aarch64.so.1",
      ...["libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"].map(
        (name) => `/lib/aarch64-linux-gnu/${name}`,
      ),
    ],
  ],
]);

type ImageOptions = {
  readonly tag: string;
  /** Path in the image to a file of this machine, with the same mode. */
  readonly files: Readonly<Record<string, string>>;
  /** Path in the image to the link's target. */
  readonly links?: Readonly<Record<string, string>>;
  /** As in a Dockerfile: `ENTRYPOINT […]`, `USER 1000`. */
  readonly changes: readonly string[];
};

/** Imports one layer. */
async function importImage(client: Docker, options: ImageOptions): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "outrider-image-"));
  const root = join(dir, "root");
  try {
    for (const [to, from] of Object.entries(options.files)) {
      await mkdir(dirname(join(root, to)), { recursive: true });
      await copyFile(from, join(root, to));
    }
    for (const [path, target] of Object.entries(options.links ?? {})) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await symlink(target, join(root, path));
    }
    await mkdir(join(root, "tmp"), { recursive: true });
    await chmod(join(root, "tmp"), 0o1777);
    const tar = join(dir, "image.tar");
    const packed = Bun.spawnSync(["tar", "-C", root, "--owner=0", "--group=0", "-cf", tar, "."]);
    if (!packed.success) throw new Error(`tar failed: ${packed.stderr.toString()}`);
    const [repo = "", tag = "latest"] = splitTag(options.tag);
    await finished(
      client,
      await client.importImage(tar, { repo, tag, changes: [...options.changes] }),
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Its entrypoint is a script that does what `ACT` says; without it, it runs until SIGTERM. */
export async function loadWorkerImage(client: Docker, tag = WORKER_IMAGE): Promise<void> {
  await importImage(client, {
    tag,
    files: { "bin/busybox": busybox(), "worker.sh": join(import.meta.dir, "worker.sh") },
    links: Object.fromEntries(APPLETS.map((name) => [`bin/${name}`, "busybox"])),
    changes: ['ENTRYPOINT ["/worker.sh"]', "USER 1000:1000", "ENV PATH=/bin"],
  });
}

type SidecarImage = { readonly tag?: string; readonly command?: readonly string[] };

/** The compiled sidecar with only glibc. Its default command is `ingest`: a worker's image. */
export async function loadSidecarImage(client: Docker, options: SidecarImage = {}): Promise<void> {
  const { tag = SIDECAR_IMAGE, command = ["ingest"] } = options;
  const { sidecar } = await binaries();
  const libraries = LIBRARIES.get(process.arch) ?? [];
  await importImage(client, {
    tag,
    files: {
      sidecar,
      ...Object.fromEntries(libraries.map((path) => [path.slice(1), path])),
    },
    changes: ['ENTRYPOINT ["/sidecar"]', `CMD ${JSON.stringify(command)}`, "USER 65532:65532"],
  });
}

function busybox(): string {
  const path = Bun.which("busybox");
  if (path === null) throw new BedUnavailable("busybox is needed: install busybox-static");
  return path;
}

function splitTag(name: string): readonly [string, string] {
  const last = basename(name);
  const at = last.lastIndexOf(":");
  if (at === -1) return [name, "latest"];
  return [name.slice(0, name.length - last.length + at), last.slice(at + 1)];
}

/** Reads the engine's progress to its end. @throws Error with the engine's error */
export function finished(client: Docker, progress: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    client.modem.followProgress(progress, (error) => (error === null ? resolve() : reject(error)));
  });
}
