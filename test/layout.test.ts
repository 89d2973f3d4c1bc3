/** The tree as docs/architecture.md draws it: who imports whom, no circles, one shape of roles, no homonyms. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "..");
/** About fifteen; one file a question to Kafka, or a part of leading, may be some more. */
const FILES_MAX = 18;
const PRODUCT = "{agent,sidecar,shared}/**/*.ts";
const DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs/*.md"];

const ROLES = [
  ...["agent/register", "agent/heartbeat", "agent/collect"],
  ...["sidecar/broker", "sidecar/control-plane"],
  ...["sidecar/ingest"],
] as const;
/** What may stand at the top of a role; everything else is in a folder named after a step. */
const TOP_OF_ROLE = /^(?:command|config|kafka-needs|routes|metrics)\.ts$/u;
/** The file or two that put the role together, and what they alone share. */
const TOP_BESIDE: Readonly<Record<string, readonly string[]>> = {
  "agent/collect": ["collector.ts", "life.ts", "selection.ts"],
  "sidecar/broker": [
    ...["broker.ts", "monitor.ts", "drain.ts", "snapshot.ts", "topology.ts", "text.ts"],
  ],
  "sidecar/control-plane": [
    ...["control-plane.ts", "worker-config.ts", "inbox.ts", "recorder.ts", "topics.ts"],
    ...["cluster-metrics.ts", "offset-retention.ts"],
  ],
  "sidecar/ingest": ["ingest.ts", "servers.ts"],
};
/** The steps of a role, in the order in which data passes them: one imports those before it. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  // What is watched is encoded and sent: the step that watches knows both.
  "agent/collect": ["encode", "send", "watch"],
  "sidecar/broker": [...["process", "read", "outage", "check", "round", "probe", "memory", "exec"]],
  "sidecar/control-plane": [
    ...["runtime", "worker", "fleet", "registry", "state", "plan", "record", "heartbeat", "act"],
    ...["follow", "leader", "api", "operator"],
  ],
  "sidecar/ingest": [...["decode", "plan", "store", "consume", "worker", "api"]],
};
/** Said of two exported types that mean different things under one name; those of a role's shape may. */
const SHARED_NAMES: readonly string[] = ["RouteDeps"];

type Source = { readonly path: string; readonly text: string; readonly imports: readonly string[] };

const sources: readonly Source[] = [...new Glob(PRODUCT).scanSync(ROOT)]
  .filter((path) => !path.endsWith(".d.ts"))
  .sort()
  .map((path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    const code = text.replaceAll(/\/\*[\s\S]*?\*\//gu, "");
    const found = code.matchAll(/(?:\bfrom\s|\bimport\s*\(?)\s*"(?<name>\.[^"]+)"/gu);
    const imports = [...found].map(({ groups }) =>
      normalize(join(dirname(path), groups?.["name"] ?? "")),
    );
    return { path, text, imports };
  });
const importsOf = new Map(sources.map(({ path, imports }) => [path, imports]));

/** The files on the first circle that is found from here, in its order. */
function circleFrom(start: string): readonly string[] {
  const seen = new Set<string>();
  const walk = (path: string, way: readonly string[]): readonly string[] => {
    for (const next of importsOf.get(path) ?? []) {
      if (next === start) return [...way, next];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk(next, [...way, next]);
      if (found.length > 0) return found;
    }
    return [];
  };
  return walk(start, [start]);
}

const roleOf = (path: string): string | undefined =>
  ROLES.find((role) => path.startsWith(`${role}/`));

/** The step's place in its role; undefined at the role's top and outside of roles with steps. */
function stepOf(path: string): number | undefined {
  const role = roleOf(path);
  const steps = role === undefined ? undefined : STEPS[role];
  if (role === undefined || steps === undefined) return undefined;
  const place = steps.indexOf(path.slice(role.length + 1).split("/")[0] ?? "");
  return place === -1 ? undefined : place;
}

describe("imports", () => {
  test("go in no circle", () => {
    const circles = sources.map(({ path }) => circleFrom(path)).filter(({ length }) => length > 0);
    expect(circles).toEqual([]);
  });

  test("lead from no role to another", () => {
    const across = sources.flatMap(({ path, imports }) => {
      const role = roleOf(path);
      if (role === undefined) return [];
      const others = imports.filter((to) => roleOf(to) !== undefined && roleOf(to) !== role);
      return others.map((to) => `${path} -> ${to}`);
    });
    expect(across).toEqual([]);
  });

  test("lead from a step to those before it", () => {
    const backward = sources.flatMap(({ path, imports }) => {
      const step = stepOf(path);
      if (step === undefined) return [];
      return imports.filter((to) => (stepOf(to) ?? -1) > step).map((to) => `${path} -> ${to}`);
    });
    expect(backward).toEqual([]);
  });
});

describe("folders", () => {
  const folders = [...new Set(sources.map(({ path }) => dirname(path)))];

  test(`hold at most ${FILES_MAX} files`, () => {
    const full = folders.filter(
      (folder) => sources.filter(({ path }) => dirname(path) === folder).length > FILES_MAX,
    );
    expect(full).toEqual([]);
  });

  test.each([...ROLES])("%s has at its top what every role has", (role) => {
    const top = readdirSync(join(ROOT, role)).filter((name) => name.endsWith(".ts"));
    expect(top).toContain("command.ts");
    if (STEPS[role] === undefined) return;
    const beside = top.filter((name) => !TOP_OF_ROLE.test(name));
    expect(beside.sort()).toEqual([...(TOP_BESIDE[role] ?? [])].sort());
  });

  test.each(Object.entries(STEPS).map(([role, steps]) => ({ role, steps })))(
    "$role consists of its steps",
    ({ role, steps }) => {
      const entries = readdirSync(join(ROOT, role), { withFileTypes: true });
      const found = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
      expect(found.sort()).toEqual([...steps].sort());
    },
  );
});

describe("names", () => {
  test("of exported types mean one thing outside a role", () => {
    const places = new Map<string, string[]>();
    for (const { path, text } of sources) {
      for (const { groups } of text.matchAll(/^export (?:type|interface|class) (?<name>\w+)/gmu)) {
        const name = groups?.["name"] ?? "";
        places.set(name, [...(places.get(name) ?? []), path]);
      }
    }
    // Within one role the folder says which; the same name in two of them is a homonym.
    const homonyms = [...places].filter(
      ([name, paths]) =>
        !SHARED_NAMES.includes(name) && new Set(paths.map((path) => roleOf(path) ?? "")).size > 1,
    );
    expect(homonyms).toEqual([]);
  });

  test.each(
    DOCUMENTS.flatMap((glob) => [...new Glob(glob).scanSync(ROOT)]).map((path) => ({ path })),
  )("of files that $path mentions exist", async ({ path }) => {
    const text = await Bun.file(join(ROOT, path)).text();
    const all = [...new Glob("{agent,sidecar,shared,test,bench,docs}/**/*.ts").scanSync(ROOT)];
    const known = new Set([...all, ...all.map((each) => basename(each)), "build.ts", "image.ts"]);
    const mentioned = [...text.matchAll(/(?<![\w<>/*.-])(?<name>[\w-][\w./-]*\.ts)\b/gu)];
    const lost = mentioned
      .map(({ groups }) => groups?.["name"] ?? "")
      .filter((name) => !known.has(name))
      .filter((name) => !existsSync(join(ROOT, name)))
      .filter((name) => !all.some((each) => each.endsWith(`/${name}`)));
    expect(lost).toEqual([]);
  });
});
