/** Prometheus' promtool, for tests of alerting rules: the one on the PATH, else the one of Debian's package. */
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BedUnavailable } from "./unavailable.ts";

const PACKAGE = "prometheus";
const INSTALLED = join(homedir(), ".cache", "outrider", "prometheus", "promtool");

export type Promtool = (
  ...args: readonly string[]
) => Promise<{ readonly code: number; readonly output: string }>;

/** @throws BedUnavailable */
export async function openPromtool(): Promise<Promtool> {
  const program = await ensurePromtool();
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
    return { code, output: `${stdout}${stderr}` };
  };
}

async function ensurePromtool(): Promise<string> {
  for (const path of [Bun.which("promtool"), INSTALLED]) {
    if (path !== null && (await Bun.file(path).exists())) return path;
  }
  for (const program of ["apt-get", "dpkg-deb"]) {
    if (Bun.which(program) === null) {
      throw new BedUnavailable("promtool is needed: install Prometheus");
    }
  }
  process.stderr.write(`promtool bed: fetching Debian's package ${PACKAGE}, once\n`);
  await fetchPromtool();
  return INSTALLED;
}

/** The package is unpacked, not installed: no service is started. */
async function fetchPromtool(): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), "outrider-promtool-"));
  try {
    const download = () => Bun.$`apt-get download -qq ${PACKAGE}`.cwd(cwd).quiet().nothrow();
    if ((await download()).exitCode !== 0) {
      await Bun.$`apt-get update -qq`.quiet().nothrow();
      const again = await download();
      if (again.exitCode !== 0) {
        throw new BedUnavailable(
          `promtool could not be fetched: ${again.stderr.toString().trim()}`,
        );
      }
    }
    await Bun.$`dpkg-deb -x ./*.deb .`.cwd(cwd).quiet();
    const found = join(cwd, "usr/bin/promtool");
    await chmod(found, 0o755);
    await mkdir(dirname(INSTALLED), { recursive: true });
    // Moved into place only when complete: two test files may do this at the same time.
    const partial = `${INSTALLED}.${crypto.randomUUID()}`;
    await copyFile(found, partial);
    await rename(partial, INSTALLED);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
