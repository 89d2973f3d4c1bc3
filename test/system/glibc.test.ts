/** What the README says of the binaries: which files of glibc they need, and from which version on. */
import { expect, test } from "bun:test";
import { binaries } from "../bed/binaries.ts";
import { BedUnavailable } from "../bed/unavailable.ts";
import { GLIBC_FILES } from "./image-bases.ts";

/** The first test may have to compile them. */
const LIMIT_MS = 60_000;
const README = `${import.meta.dir}/../../README.md`;
/** Said in the README. */
const NEWEST = "2.17";

async function readelf(flag: string, file: string): Promise<string> {
  if (Bun.which("readelf") === null)
    throw new BedUnavailable("readelf is needed: install binutils");
  const child = Bun.spawn(["readelf", flag, "--wide", file], { stdout: "pipe", stderr: "ignore" });
  const [out] = await Promise.all([child.stdout.text(), child.exited]);
  return out;
}

const atLeast = (version: string, other: string) =>
  version.localeCompare(other, "en", { numeric: true }) >= 0;

test.each(["agent", "sidecar"] as const)(
  "dist/%s needs five files of glibc",
  async (program) => {
    const file = (await binaries())[program];
    const dynamic = await readelf("--dynamic", file);
    const libraries = [...dynamic.matchAll(/\(NEEDED\).*\[(?<name>[^\]]+)\]/gu)];
    const loader = /interpreter: (?<path>[^\]]+)\]/u.exec(await readelf("--program-headers", file));
    const needed = [
      ...libraries.map(({ groups }) => groups?.["name"] ?? ""),
      loader?.groups?.["path"]?.split("/").at(-1) ?? "",
    ];
    expect([...new Set(needed)].toSorted()).toEqual(GLIBC_FILES.toSorted());
  },
  LIMIT_MS,
);

test.each(["agent", "sidecar"] as const)(
  "dist/%s asks for no symbol newer than the README says",
  async (program) => {
    const versions = await readelf("--version-info", (await binaries())[program]);
    const found = [...versions.matchAll(/GLIBC_(?<version>\d+(?:\.\d+)+)/gu)].map(
      ({ groups }) => groups?.["version"] ?? "",
    );
    const newest = found.reduce((most, each) => (atLeast(most, each) ? most : each), "0");
    expect(newest).toBe(NEWEST);
    expect(await Bun.file(README).text()).toContain(`version ${NEWEST} or later`);
  },
  LIMIT_MS,
);
