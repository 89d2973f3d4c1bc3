/** What the test run consists of: suites in order, each of jobs with a time limit of their own. */
import { join } from "node:path";
import { type BoxName, boxFor } from "../bed/box/box.ts";

/** A command counts as one test; a file is run by `bun test` and counts its own. */
export type Job =
  | {
      readonly kind: "command";
      readonly suite: string;
      readonly name: string;
      readonly words: readonly string[];
      readonly limitMs: number;
    }
  | {
      readonly kind: "tests";
      readonly suite: string;
      readonly name: string;
      readonly paths: readonly string[];
      readonly limitMs: number;
      /** What the files run in; by default the machine itself. */
      readonly box?: BoxName;
    };

const COMMAND_MS = 240_000;
const UNIT_MS = 240_000;
const FILE_MS = 360_000;
const DEMO_MS = 150_000;
/** The first file of its kind also installs or builds the servers. */
const BOX_MS = { network: 600_000, kubernetes: 1_200_000 } as const satisfies Record<
  BoxName,
  number
>;

/** Fast, and of our own process alone: all in one `bun test`. */
const UNIT = ["agent", "sidecar", "shared", "docs", "simulate", "run"] as const;
const TIDY = "test/tidy.test.ts";
/** On real servers and real processes: each file in a process of its own. */
const REAL = ["bed", "contract", "system", "fault", "issue"] as const;

const command = (suite: string, words: readonly string[], limitMs = COMMAND_MS): Job => ({
  kind: "command",
  suite,
  name: suite,
  words,
  limitMs,
});

/** All jobs in order. @throws Error when a test file is in no suite. */
export function allJobs(root: string): readonly Job[] {
  const files = [...new Bun.Glob("test/**/*.test.ts").scanSync(root)].sort();
  const inFolder = (folder: string) => files.filter((file) => file.startsWith(`test/${folder}/`));
  const unit = [...UNIT.flatMap(inFolder), TIDY];
  const real = REAL.flatMap((suite) => inFolder(suite).map((file) => ({ suite, file })));
  const known = new Set([...unit, ...real.map(({ file }) => file)]);
  const lost = files.filter((file) => !known.has(file));
  if (lost.length > 0) throw new Error(`in no suite of test/run/suite.ts: ${lost.join(", ")}`);
  return [
    command("types", ["run", "types"]),
    command("lint", ["run", "lint"]),
    command("unused", ["run", "unused"]),
    { kind: "tests", suite: "unit", name: "unit", paths: unit, limitMs: UNIT_MS },
    command("build", ["run", "build"]),
    ...real.map(({ suite, file }) => fileJob(suite, file)),
    command("demo", [join("test", "demo", "main.ts")], DEMO_MS),
  ];
}

function fileJob(suite: string, file: string): Job {
  const box = boxFor(file);
  return {
    kind: "tests",
    suite,
    name: file.slice(`test/${suite}/`.length),
    paths: [file],
    ...(box === undefined ? { limitMs: FILE_MS } : { limitMs: BOX_MS[box], box }),
  };
}

/** By name of a suite, or by a part of a test file's path. Without names: all. */
export function chosenJobs(jobs: readonly Job[], names: readonly string[]): readonly Job[] {
  if (names.length === 0) return jobs;
  return jobs.flatMap((job): Job[] => {
    if (names.includes(job.suite)) return [job];
    if (job.kind === "command") return [];
    const paths = job.paths.filter((path) => names.some((name) => path.includes(trimmed(name))));
    return paths.length === 0 ? [] : [{ ...job, paths }];
  });
}

const trimmed = (name: string): string => name.replace(/^\.\//u, "");
