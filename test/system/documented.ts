/** Commands of docs/operating.md, so that tests run what users read. */
import { join } from "node:path";

const OPERATING = join(import.meta.dir, "../../docs/operating.md");

/** Those between `<!-- commands:docker -->` and its end, a line each. @throws Error when there are none */
export async function documentedCommands(
  group: "docker" | "http" | "kubernetes",
): Promise<readonly string[]> {
  const text = await Bun.file(OPERATING).text();
  const [, rest = ""] = text.split(`<!-- commands:${group} -->\n`);
  const [block = ""] = rest.split(`<!-- /commands:${group} -->`);
  const lines = block.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
  if (lines.length === 0) throw new Error(`docs/operating.md has no commands for ${group}`);
  return lines;
}

/** By a shell, as a person types it. @throws Error when it fails or says nothing */
export async function typed(
  command: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = Bun.spawn(["/bin/bash", "-o", "pipefail", "-c", command], {
    env: { ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, said, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${said}${out}`);
  if (`${out}${said}`.trim() === "") throw new Error(`${command} said nothing`);
  return `${out}${said}`;
}
