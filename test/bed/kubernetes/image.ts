/** Images without a registry: a tar as `docker save` writes it, for `ctr images import` and `docker load`. */
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export type ImageSpec = {
  /** `localhost/<name>:<tag>`; with the tag `latest` a node would try to pull it. */
  readonly name: string;
  /** Path in the image to the file that is put there. */
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Numeric, `uid` or `uid:gid`. */
  readonly user?: string;
};

const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";
/** Sorted, without times and owners: the same files give the same bytes. */
const TAR = ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];

const sha256 = (bytes: Uint8Array | string): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

export async function writeImage(tar: string, spec: ImageSpec): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "outrider-image-"));
  try {
    const root = join(directory, "root");
    await fill(root, spec);
    const layer = join(directory, "layer.tar");
    await run([...TAR, "-C", root, "-cf", layer, "."]);
    const content = await Bun.file(layer).bytes();
    const config = JSON.stringify({
      architecture: ARCHITECTURE,
      os: "linux",
      // biome-ignore-start lint/style/useNamingConvention: names of the image format
      config: {
        Entrypoint: spec.entrypoint,
        Env: ["PATH=/bin:/usr/bin", ...pairs(spec.environment ?? {})],
        WorkingDir: "/",
        User: spec.user ?? "",
      },
      // biome-ignore-end lint/style/useNamingConvention: as above
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(content)}`] },
      history: [{ created_by: "assembled" }],
    });
    const configFile = `${sha256(config)}.json`;
    await Bun.write(join(directory, configFile), config);
    // biome-ignore lint/style/useNamingConvention: as above
    const manifest = [{ Config: configFile, RepoTags: [spec.name], Layers: ["layer.tar"] }];
    await Bun.write(join(directory, "manifest.json"), JSON.stringify(manifest));
    await run([...TAR, "-C", directory, "-cf", tar, "manifest.json", configFile, "layer.tar"]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const pairs = (values: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(values).map(([name, value]) => `${name}=${value}`);

async function fill(root: string, { files, links = {} }: ImageSpec): Promise<void> {
  for (const directory of ["bin", "etc", "tmp"])
    await mkdir(join(root, directory), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  for (const [path, source] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await copyFile(source, join(root, path));
    await chmod(join(root, path), 0o755);
  }
  for (const [path, target] of Object.entries(links)) await symlink(target, join(root, path));
}

async function run(command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${said}`);
}
