/** Builds servers from Go modules, and reports its progress on standard error: it takes minutes. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { BedUnavailable } from "./unavailable.ts";

const PROGRESS_MS = 15_000;
const ERROR_LINES = 12;

/** Reports progress every 15 s. @throws BedUnavailable with the end of the output. */
export async function step(
  what: string,
  command: readonly string[],
  cwd = import.meta.dir,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sinceMs = performance.now();
  const seconds = () => Math.round((performance.now() - sinceMs) / 1000);
  say(what);
  const progress = setInterval(() => say(`${what}: ${seconds()} s so far`), PROGRESS_MS);
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...Bun.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]).finally(() => clearInterval(progress));
  if (code === 0) return say(`${what}: done in ${seconds()} s`);
  const tail = `${out}\n${err}`.trimEnd().split("\n").slice(-ERROR_LINES).join("\n");
  process.stderr.write(`${tail}\n`);
  const last = err.trimEnd().split("\n").at(-1) ?? "";
  throw new BedUnavailable(`${what} failed with ${code}: ${last}`);
}

export function say(line: string): void {
  process.stderr.write(`bed: ${line}\n`);
}

export type GoBuild = {
  /** Its name in messages. */
  readonly what: string;
  /** The module's version. */
  readonly directory: string;
  /** Another file than `go.mod`, in the same directory. */
  readonly modFile?: string;
  /** By default that of the module. */
  readonly package?: string;
  readonly linkerFlags?: string;
  /** Contains C code, so it needs gcc. */
  readonly cgo?: boolean;
  readonly to: string;
};

/** @throws BedUnavailable without Go 1.26 or a network. */
export async function goBuild({
  what,
  directory,
  modFile = "go.mod",
  package: name = ".",
  linkerFlags = "-s -w",
  cgo = false,
  to,
}: GoBuild): Promise<void> {
  if (Bun.which("go") === null) {
    throw new BedUnavailable(`${what} is built from Go modules: install Go 1.26 or later`);
  }
  if (cgo && Bun.which("gcc") === null) {
    throw new BedUnavailable(`${what} has parts in C: install gcc and libc6-dev`);
  }
  const env = { CGO_ENABLED: cgo ? "1" : "0" };
  const mod = `-modfile=${join(directory, modFile)}`;
  await step(`${what}: fetching Go modules`, ["go", "mod", "download", mod], directory, env);
  const partial = `${to}.partial`;
  const flags = [mod, "-mod=readonly", "-trimpath", "-buildvcs=false", `-ldflags=${linkerFlags}`];
  const command = ["go", "build", ...flags, "-o", partial, name];
  await step(`${what}: compiling`, command, directory, env);
  await rename(partial, to);
}
