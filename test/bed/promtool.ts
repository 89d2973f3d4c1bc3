/** Prometheus' programs, for tests of rules and dashboards: those on the PATH, else those of Debian's package. */
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { BedUnavailable } from "./unavailable.ts";

const PACKAGE = "prometheus";
const INSTALLED = join(homedir(), ".cache", "outrider", "prometheus");
const PROGRAMS = ["promtool", "prometheus"] as const;
type Program = (typeof PROGRAMS)[number];

export type Promtool = (
  ...args: readonly string[]
) => Promise<{ readonly code: number; readonly output: string }>;

/** @throws BedUnavailable */
export async function openPromtool(): Promise<Promtool> {
  const program = await ensureProgram("promtool");
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

/** Its path. @throws BedUnavailable */
async function ensureProgram(name: Program): Promise<string> {
  const installed = join(INSTALLED, name);
  for (const path of [Bun.which(name), installed]) {
    if (path !== null && (await Bun.file(path).exists())) return path;
  }
  for (const program of ["apt-get", "dpkg-deb"]) {
    if (Bun.which(program) === null) {
      throw new BedUnavailable(`${name} is needed: install Prometheus`);
    }
  }
  process.stderr.write(`prometheus bed: fetching Debian's package ${PACKAGE}, once\n`);
  await fetchPrograms();
  return installed;
}

/** The package is unpacked, not installed: no service is started. */
async function fetchPrograms(): Promise<void> {
  const cwd = await mkdtemp(join(tmpdir(), "outrider-prometheus-"));
  try {
    const download = () => Bun.$`apt-get download -qq ${PACKAGE}`.cwd(cwd).quiet().nothrow();
    if ((await download()).exitCode !== 0) {
      await Bun.$`apt-get update -qq`.quiet().nothrow();
      const again = await download();
      if (again.exitCode !== 0) {
        throw new BedUnavailable(
          `Prometheus could not be fetched: ${again.stderr.toString().trim()}`,
        );
      }
    }
    await Bun.$`dpkg-deb -x ./*.deb .`.cwd(cwd).quiet();
    await mkdir(INSTALLED, { recursive: true });
    for (const name of PROGRAMS) {
      // Moved into place only when complete: two test files may do this at the same time.
      const partial = join(INSTALLED, `${name}.${crypto.randomUUID()}`);
      await copyFile(join(cwd, "usr/bin", name), partial);
      await chmod(partial, 0o755);
      await rename(partial, join(INSTALLED, name));
    }
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
