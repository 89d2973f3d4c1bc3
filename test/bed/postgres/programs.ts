/** Where PostgreSQL's programs are: Debian's folder, else the PATH; as root they are installed once where apt-get can. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { BedUnavailable } from "../unavailable.ts";

const DEBIAN = "/usr/lib/postgresql";
const APT = ["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"];
/** Debian's package makes a cluster and starts it, unless it is told not to. */
const QUIET = { DEBIAN_FRONTEND: "noninteractive", PG_CREATE_MAIN_CLUSTER: "false" };

let found: Promise<string> | undefined;

/** The folder with `postgres` and `initdb`. @throws BedUnavailable */
export function postgresPrograms(): Promise<string> {
  found ??= locate();
  return found;
}

async function locate(): Promise<string> {
  const before = installed();
  if (before !== undefined) return before;
  await install();
  const after = installed();
  if (after !== undefined) return after;
  throw new BedUnavailable("PostgreSQL is not installed: apt-get install postgresql");
}

function installed(): string | undefined {
  const versions = existsSync(DEBIAN) ? [...new Glob("*/bin/initdb").scanSync(DEBIAN)] : [];
  const newest = versions
    .toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .at(-1);
  if (newest !== undefined) return dirname(join(DEBIAN, newest));
  const program = Bun.which("initdb");
  return program === null ? undefined : dirname(program);
}

async function install(): Promise<void> {
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) return;
  process.stderr.write("postgres bed: installing postgresql with apt-get; only the first time\n");
  const env = { ...Bun.env, ...QUIET };
  const packages = ["install", "-y", "--no-install-recommends", "postgresql"];
  const run = await Bun.$`apt-get ${APT} ${packages}`.env(env).quiet().nothrow();
  if (run.exitCode === 0) return;
  await Bun.$`apt-get ${APT} update`.env(env).quiet().nothrow();
  await Bun.$`apt-get ${APT} ${packages}`.env(env).quiet().nothrow();
}
