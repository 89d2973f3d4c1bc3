/** The style guide as a test: what no linter knows about this repository. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "..");
const LINES_MAX = 300;

const SOURCES = "{agent,sidecar,shared,test,bench,docs}/**/*.ts";
const DOCUMENTS = "{*.md,{agent,sidecar,shared,test,bench,docs,charts}/**/*.md}";

/** The core decides: neither clock nor I/O nor chance, nor anything to wait for. */
const CORE = new RegExp(
  [
    "^shared/protocol/",
    "^shared/(duration|quantity|backoff|result|config/(shell-words|table-text))\\.ts$",
    "^agent/records\\.ts$",
    "^agent/collect/(encode/|selection\\.ts|watch/kind-state\\.ts|send/(churn|object-index)\\.ts)",
    "^sidecar/control-plane/(fleet|plan|registry|state)/",
    "^sidecar/control-plane/(heartbeat/fold|record/audit|act/outcome|leader/operator-records)\\.ts$",
    "^sidecar/ingest/(decode|plan)/",
    "^shared/postgres/(error|migration|settings)\\.ts$",
    "^sidecar/broker/(check/|probe/gates|read/(listener|leader-evidence)|topology)",
  ].join("|"),
  "u",
);
const IMPURE = [
  ...["Date.now", "new Date()", "performance.", "Math.random", "crypto.", "process.", "Bun."],
  ...["fetch(", "setTimeout", "setInterval", "await ", "async ", "console.", "node:"],
] as const;
/** Bytes are values: what looks at them alone is as pure as a string's method. So is a digest. */
const PURE_MODULES = /"node:buffer"|^import \{ hash \} from "node:crypto";$/gmu;

/** Each third-party package is known in one place alone, so that it can be replaced there. */
const DOORS: ReadonlyMap<string, RegExp> = new Map([
  ["kafkajs", /^shared\/kafka\//u],
  ["snappyjs", /^shared\/kafka\//u],
  ["lz4js", /^shared\/kafka\//u],
  ["prom-client", /^shared\/metrics\.ts$/u],
  ["hono", /^shared\/http\.ts$|(^|\/)routes\.ts$/u],
  ["dockerode", /^sidecar\/control-plane\/runtime\/docker\//u],
  [
    "@kubernetes/client-node",
    /^shared\/kubernetes\/|^sidecar\/control-plane\/runtime\/kubernetes\//u,
  ],
  ["valibot", /^/u],
  ["fast-check", /^test\//u],
]);
/** Tests and benchmarks speak to Kafka as foreign clients, too. */
const FREE_OF_DOORS = /^(test|bench)\//u;

const VAGUE =
  /(^|\/)(utils?|helpers?|common|misc|types?|constants?|index|stuff|lib|shared-.*)(\.ts$|\/)/u;
const BELOW: ReadonlyMap<string, RegExp> = new Map([
  ["agent", /(^|\/)sidecar\//u],
  ["sidecar", /(^|\/)agent\//u],
  ["shared", /(^|\/)(agent|sidecar)\//u],
]);
// Put together, so that this file does not find itself.
const MARKS = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`,
  "u",
);

type Source = { path: string; text: string; code: string; imports: readonly string[] };

async function readSource(path: string): Promise<Source> {
  const text = await Bun.file(join(ROOT, path)).text();
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//gu, "").replaceAll(/(^|\s)\/\/.*$/gmu, "");
  const found = code.matchAll(/(?:\bfrom\s|\bimport\s*\(?)\s*"(?<name>[^"]+)"/gu);
  return { path, text, code, imports: [...found].map(({ groups }) => groups?.["name"] ?? "") };
}

const paths = (glob: string) =>
  [...new Glob(glob).scanSync(ROOT)].filter((path) => !path.includes("node_modules")).sort();

const sources = await Promise.all([...paths(SOURCES), "build.ts", "image.ts"].map(readSource));
const packageOf = (name: string): string => name.split("/", name.startsWith("@") ? 2 : 1).join("/");

describe.each(sources)("$path", ({ path, text, code, imports }) => {
  test("says first what it is for", () => {
    // A test's own name says it, and its subjects follow at once.
    const isTest = path.endsWith(".test.ts");
    expect(isTest || /^(?:#![^\n]*\n)?\/\*\*[\s*]*[^\s*/]/u.test(text)).toBe(true);
  });
  test(`has at most ${LINES_MAX} lines`, () => {
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(LINES_MAX);
  });
  test("has a name that says what is in it", () => expect(path).not.toMatch(VAGUE));
  test("leaves no mark for later", () => expect(MARKS.exec(text)?.[0]).toBeUndefined());
  test("takes a package in at its door alone", () => {
    const strange = imports.filter((name) => {
      if (/^(\.|node:|bun(:|$))/u.test(name)) return false;
      const door = DOORS.get(packageOf(name));
      return door === undefined || !(door.test(path) || FREE_OF_DOORS.test(path));
    });
    expect(strange).toEqual([]);
  });
  test("keeps agent and sidecar apart, and shared below both", () => {
    const above = BELOW.get(path.split("/")[0] ?? "");
    expect(imports.filter((name) => above?.test(name))).toEqual([]);
  });
  test("reads the environment in main.ts alone", () => {
    const isMain = /(^|\/)main\.ts$/u.test(path) || /^(build\.ts$|test\/|bench\/)/u.test(path);
    const reads = /\b(?:process|Bun)\.env\b|import\.meta\.env/u.exec(code)?.[0];
    if (!isMain) expect(reads).toBeUndefined();
  });
  test("asserts no type", () => {
    // Quoted text and `import * as v` are no assertions.
    const bare = code.replaceAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/gu, '""');
    const lines = bare
      .split("\n")
      .filter((line) => !/^\s*(?:(?:import|export) (?:type )?[*{]|\w+ as \w+,)/u.test(line));
    expect(lines.filter((line) => /\sas\s+(?!const\b)[A-Za-z{[(]/u.test(line))).toEqual([]);
  });
});

describe.each(sources.filter(({ path }) => CORE.test(path)))("$path", ({ code }) => {
  test("is pure", () => {
    expect(IMPURE.filter((word) => code.replaceAll(PURE_MODULES, "").includes(word))).toEqual([]);
  });
});

describe.each(paths(DOCUMENTS).map((path) => ({ path })))("$path", ({ path }) => {
  test("links to what is there", async () => {
    const text = await Bun.file(join(ROOT, path)).text();
    const links = [...text.matchAll(/\]\((?<to>[^)\s#]+)(#[^)\s]*)?\)/gu)];
    const broken = links
      .map(({ groups }) => groups?.["to"] ?? "")
      .filter((to) => !/^[a-z][a-z+.-]*:/u.test(to))
      .filter((to) => !existsSync(join(ROOT, dirname(path), to)));
    expect(broken).toEqual([]);
  });
});
