/** Programs of this machine as files of an image: what is below a folder, and what a program is linked with. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Path in the image to that on this machine; links are followed, and dead ones left out. */
export async function filesOf(
  directory: string,
  into: string,
  without: RegExp = /^$/u,
): Promise<Record<string, string>> {
  const entries = await filesBelow(directory, "", without);
  return Object.fromEntries(entries.map((file) => [`${into}/${file}`, join(directory, file)]));
}

async function filesBelow(top: string, below: string, without: RegExp): Promise<readonly string[]> {
  const entries = await readdir(join(top, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<readonly string[]> => {
      const path = join(below, entry.name);
      if (without.test(path) || !existsSync(join(top, path))) return [];
      const stat = await Bun.file(join(top, path)).stat();
      return stat.isDirectory() ? await filesBelow(top, path, without) : [path];
    }),
  );
  return found.flat();
}

/** Where the programs' loader looks for them. */
export async function linkedLibraries(
  programs: readonly string[],
): Promise<Record<string, string>> {
  const lines = await output(["ldd", ...programs], "stdout");
  const paths = [...lines.matchAll(/(?<=\s)\/\S+(?= \(0x)/gu)].map(([path]) => path);
  return Object.fromEntries(paths.map((path) => [path, path]));
}

/** @throws Error with what it said when it fails */
export async function output(
  command: readonly string[],
  from: "stdout" | "stderr",
): Promise<string> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stderr}`);
  return from === "stdout" ? stdout : stderr;
}
