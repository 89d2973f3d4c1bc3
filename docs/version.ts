/**
 * The version is in package.json only. Charts, images, compose.yaml and documents repeat it: `bun run docs`
 * writes it there, and test/docs/version.test.ts checks it.
 */
import { join } from "node:path";
import { Glob } from "bun";
import * as v from "valibot";

const ROOT = join(import.meta.dir, "..");
const NAMED_IN = [
  ...["README.md", "compose.yaml", "Dockerfile.*", "docs/**/*.md", "docs/**/*.yaml"],
  ...["charts/**/*.yaml", "charts/**/*.tpl"],
];
/**
 * Where our version appears: an image's tag, a chart's own version, an argument of a build. A version in
 * quotes is another program's.
 */
const PLACES =
  /(?<before>\boutrider-[a-z-]+:|OUTRIDER_TAG:-|\bTAG=|ARG VERSION=|^ *(?:appVersion|version): )\d+\.\d+\.\d+/gmu;

/** @throws when package.json has no version */
export const readVersion = async (): Promise<string> =>
  v.parse(v.object({ version: v.string() }), await Bun.file(join(ROOT, "package.json")).json())
    .version;

/** The text with this version in every place that names ours. */
export const withVersion = (text: string, version: string): string =>
  text.replaceAll(PLACES, (...found) => {
    const before: unknown = found[1];
    return `${String(before)}${version}`;
  });

/** Paths of all files that may name our version. */
export const versionedFiles = (): readonly string[] =>
  NAMED_IN.flatMap((glob) => [...new Glob(glob).scanSync(ROOT)])
    .filter((path) => !path.startsWith("docs/decision/"))
    .sort()
    .map((path) => join(ROOT, path));

export async function writeVersions(): Promise<void> {
  const version = await readVersion();
  for (const path of versionedFiles()) {
    const text = await Bun.file(path).text();
    const right = withVersion(text, version);
    if (right !== text) await Bun.write(path, right);
  }
}
