/** What differs from a revision, as git says, and what a test file imports, for `bun run test --changed`. */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Where the branch left main: what is not on it yet, committed or not. */
const BASE = "main";

/** @throws when git does not know the revision */
export async function changedPaths(
  root: string,
  revision: string = BASE,
): Promise<readonly string[]> {
  const git = async (words: readonly string[]) =>
    (await Bun.$`git -C ${root} ${words}`.quiet().text()).split("\n").filter((line) => line !== "");
  const base = (await git(["merge-base", revision, "HEAD"]))[0] ?? revision;
  const tracked = await git(["diff", "--name-only", "--no-renames", base]);
  const untracked = await git(["ls-files", "--others", "--exclude-standard"]);
  return [...new Set([...tracked, ...untracked])].sort();
}

/** Reads each file once. */
export function openImports(root: string): (file: string) => ReadonlySet<string> {
  const scanner = new Bun.Transpiler({ loader: "ts" });
  const direct = new Map<string, readonly string[]>();
  const directOf = (file: string): readonly string[] => {
    const known = direct.get(file);
    if (known !== undefined) return known;
    const found = scanImports(scanner, join(root, file)).map((path) =>
      normalize(join(dirname(file), path)),
    );
    direct.set(file, found);
    return found;
  };
  return (file) => {
    const all = new Set<string>();
    const queue = [file];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const each of directOf(next)) {
        if (all.has(each)) continue;
        all.add(each);
        queue.push(each);
      }
    }
    return all;
  };
}

function scanImports(scanner: Bun.Transpiler, path: string): readonly string[] {
  if (!path.endsWith(".ts")) return [];
  try {
    const text = readFileSync(path, "utf8");
    return scanner
      .scanImports(text)
      .map((each) => each.path)
      .filter((name) => name.startsWith("."));
  } catch {
    // A file that a change removed, or that cannot be parsed: the types' job names it.
    return [];
  }
}
