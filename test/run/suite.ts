/** What the test run consists of: suites in order, each of jobs with a time limit of their own. */
import { join } from "node:path";
import { type BoxName, boxFor } from "../bed/box/box.ts";
import { type MatrixJob, matrixJobs } from "./matrix.ts";

/** A command counts as one test; a file is run by `bun test` and counts its own. */
export type Job = CommandJob | TestsJob;

type CommandJob = {
  readonly kind: "command";
  readonly suite: string;
  readonly name: string;
  readonly words: readonly string[];
  readonly limitMs: number;
};

type TestsJob = {
  readonly kind: "tests";
  readonly suite: string;
  readonly name: string;
  readonly paths: readonly string[];
  /** Its paths are some of the job's: what they cost is not what the job costs. */
  readonly part?: true;
  readonly limitMs: number;
  /** What the files run in; by default the machine itself. */
  readonly box?: BoxName;
  /** Which versions of the servers; by default the newest. */
  readonly env?: Readonly<Record<string, string>>;
  /** Part of the matrix of versions, and not of every whole run. */
  readonly rest?: boolean;
};

const COMMAND_MS = 240_000;
const UNIT_MS = 240_000;
const FILE_MS = 360_000;
const DEMO_MS = 150_000;
/** The first file of its kind also installs or builds the servers. */
const BOX_MS = { network: 1_200_000, kubernetes: 1_200_000 } as const satisfies Record<
  BoxName,
  number
>;

/** Fast, and of our own process alone: all in one `bun test`. */
const UNIT = ["agent", "sidecar", "shared", "docs", "simulate", "run"] as const;
const TIDY = ["test/tidy.test.ts", "test/layout.test.ts"];
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
  const unit = [...UNIT.flatMap(inFolder), ...TIDY];
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
    ...matrixJobs(real.map(({ file }) => file)).map(versionJob),
    command("demo", [join("test", "demo", "main.ts")], DEMO_MS),
  ];
}

function fileJob(suite: string, file: string): TestsJob {
  const box = boxFor(file);
  return {
    kind: "tests",
    suite,
    name: file.slice(`test/${suite}/`.length),
    paths: [file],
    ...(box === undefined ? { limitMs: FILE_MS } : { limitMs: BOX_MS[box], box }),
  };
}

function versionJob({ file, env, label, always }: MatrixJob): TestsJob {
  const [, suite = ""] = file.split("/");
  const job = fileJob(suite, file);
  return { ...job, name: `${job.name} on ${label}`, env, rest: !always };
}

export type Chosen = {
  readonly names: readonly string[];
  /** Of the files on real servers those alone; everything else runs. */
  readonly concerned?: readonly string[];
  /** The versions that a whole run leaves out, in place of all else. */
  readonly matrix: boolean;
};

/**
 * By name of a suite, or by a part of a test file's path, on the newest servers. Without names: all. With
 * `matrix` on the others: all of them, or those whose path or version is named.
 */
export function chosenJobs(
  jobs: readonly Job[],
  { names, matrix, concerned }: Chosen,
): readonly Job[] {
  if (concerned !== undefined) return concernedJobs(jobs, concerned);
  if (matrix) {
    const build = jobs.filter(({ suite }) => suite === "build");
    const others = jobs.filter((job) => job.kind === "tests" && job.env !== undefined);
    if (names.length === 0) return [...build, ...others.filter(isRest)];
    const named = (job: Job) => names.some((name) => nameOf(job).includes(trimmed(name)));
    return [...(names.includes("build") ? build : []), ...others.filter(named)];
  }
  if (names.length === 0) return jobs.filter((job) => !isRest(job));
  return jobs.flatMap((job): Job[] => {
    if (job.kind === "tests" && job.env !== undefined) return [];
    if (names.includes(job.suite)) return [job];
    if (job.kind === "command") return [];
    const paths = job.paths.filter((path) => names.some((name) => path.includes(trimmed(name))));
    if (paths.length === job.paths.length) return [job];
    return paths.length === 0 ? [] : [{ ...job, paths, part: true }];
  });
}

/** The demo shows what all of the product does together: it runs when anything on real servers does. */
const concernedJobs = (jobs: readonly Job[], concerned: readonly string[]): readonly Job[] =>
  jobs.filter((job) => {
    if (isRest(job)) return false;
    if (job.kind === "command")
      return !["build", "demo"].includes(job.suite) || concerned.length > 0;
    return job.suite === "unit" || job.paths.some((path) => concerned.includes(path));
  });

/** The test files on real servers. */
export const realFiles = (jobs: readonly Job[]): readonly string[] =>
  jobs.flatMap((job) => (job.kind === "tests" && job.suite !== "unit" ? job.paths : []));

const isRest = (job: Job): boolean => job.kind === "tests" && job.rest === true;

const nameOf = (job: Job): string =>
  job.kind === "tests" ? `${job.paths.join(" ")} ${job.name}` : job.name;

const trimmed = (name: string): string => name.replace(/^\.\//u, "");
