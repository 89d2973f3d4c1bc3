/**
 * `bun run test`: every test there is, in suites, each job with a process, a temporary directory and a
 * time limit of its own. `bun run test system kafka-door` runs what is named: a suite, or files
 * by a part of their path. `--seed=N` repeats an order of tests; `--at-once=N` runs so many files on
 * real servers side by side. `--matrix` runs the tests that are for older servers too (test/run/matrix.ts)
 * on those that a whole run leaves out; `--matrix 2.8.2` or `--matrix broker-roll` what is named of them.
 * `--changed` runs what the difference from main concerns, `--changed=REVISION` that from another revision.
 *
 * The last line is `N passed, N failed`, summed over all suites (`, N skipped` follows when a server
 * could not be had; with CI=true that is a failure). The exit code is 1 when anything failed or
 * nothing ran.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BedProcess } from "./bed/process.ts";
import { concernedTests } from "./run/changed.ts";
import { changedPaths, openImports } from "./run/difference.ts";
import { type Outcome, type RunOptions, runJob } from "./run/job.ts";
import type { Count } from "./run/junit.ts";
import { endAll, survivorsOf } from "./run/leftover.ts";
import { add, countText, failureLines, progressLines, tableLines } from "./run/report.ts";
import { allJobs, type Chosen, chosenJobs, type Job, realFiles } from "./run/suite.ts";

const ROOT = join(import.meta.dir, "..");
const SEED_MAX = 2 ** 31;
const REAP_MS = 5000;
/** They mostly wait: three beside each other on two cores leave no test short of CPU, and a third of the time. */
const AT_ONCE = 3;
/** As a shell says it of a process that SIGINT ended. */
const INTERRUPTED = 130;
/** Without binaries none of these can tell anything. */
const NEEDS_BUILD: readonly string[] = ["bed", "contract", "system", "fault", "issue", "demo"];

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const isCi = !["", "0", "false"].includes(Bun.env["CI"] ?? "");

function environment(): Record<string, string> {
  const inherited = Object.entries(Bun.env).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return { ...Object.fromEntries(inherited), NO_COLOR: "1" };
}

type RunChoice = Omit<Chosen, "concerned"> & {
  readonly seed: number;
  readonly atOnce: number;
  /** From which revision on; undefined: everything runs. */
  readonly changedFrom: string | undefined;
};

function readChoice(words: readonly string[]): RunChoice {
  const number = (flag: string): number | undefined => {
    const given = words.find((word) => word.startsWith(flag))?.slice(flag.length);
    return given !== undefined && /^\d+$/u.test(given) ? Number(given) : undefined;
  };
  return {
    names: words.filter((word) => !word.startsWith("--")),
    matrix: words.includes("--matrix"),
    changedFrom: changedFrom(words),
    seed: number("--seed=") ?? Math.floor(Math.random() * SEED_MAX),
    atOnce: Math.max(1, number("--at-once=") ?? AT_ONCE),
  };
}

function changedFrom(words: readonly string[]): string | undefined {
  const flag = words.find((word) => /^--changed(?:=|$)/u.test(word));
  return flag === undefined ? undefined : flag.split("=")[1] || "main";
}

async function choose({ names, matrix, changedFrom: from }: RunChoice): Promise<readonly Job[]> {
  const jobs = allJobs(ROOT);
  if (from === undefined) return chosenJobs(jobs, { names, matrix });
  const changed = await changedPaths(ROOT, from);
  const concerned = concernedTests(changed, realFiles(jobs), openImports(ROOT));
  say(`${changed.length} files differ from ${from}; they concern ${concerned.length} test files`);
  return chosenJobs(jobs, { names, matrix, concerned });
}

const notRun = (job: Job): Outcome => ({
  ...{ job, passed: 0, failed: 1, skipped: 0, seconds: 0, files: [], output: "", kept: undefined },
  notes: ["not run: the build failed"],
});

/** One after the other up to the build, then so many at once; outcomes in the order of the jobs. */
async function runAll(
  jobs: readonly Job[],
  atOnce: number,
  options: RunOptions,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<number, Outcome>();
  const waiting = [...jobs.entries()];
  const isReal = ([, job]: readonly [number, Job]) => NEEDS_BUILD.includes(job.suite);
  const first = waiting.filter((entry) => !isReal(entry));
  const real = waiting.filter(isReal);
  const work = async (queue: (readonly [number, Job])[]) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [number, job] = next;
      const noBinaries = [...outcomes.values()].some(
        (each) => each.job.suite === "build" && each.failed > 0,
      );
      const isLost = noBinaries && isReal(next);
      const outcome = isLost ? notRun(job) : await runJob(job, number, options);
      outcomes.set(number, outcome);
      tell(outcome, options.seed);
    }
  };
  await work(first);
  await Promise.all(Array.from({ length: atOnce }, () => work(real)));
  return [...outcomes].sort(([a], [b]) => a - b).map(([, outcome]) => outcome);
}

function tell(outcome: Outcome, seed: number): void {
  for (const line of progressLines(outcome)) say(line);
  if (outcome.failed === 0 || outcome.output === "") return;
  for (const line of failureLines(outcome, seed)) say(line);
}

/** The run's directory goes when no job has kept anything in it. */
async function clear(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true });
  if (entries.some((entry) => entry.isDirectory())) return;
  await rm(directory, { recursive: true, force: true });
}

async function main(): Promise<number> {
  const choice = readChoice(process.argv.slice(2));
  const { names, seed, atOnce } = choice;
  const jobs = await choose(choice);
  const directory = await mkdtemp(join(tmpdir(), "outrider-test-"));
  const current = new Set<BedProcess>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      void Promise.all([...current].map((child) => child.stop(0))).then(async () => {
        endAll(await survivorsOf(directory, REAP_MS));
        await rm(directory, { recursive: true, force: true });
        process.exit(INTERRUPTED);
      });
    });
  }
  say(
    `${jobs.length === 1 ? "1 job" : `${jobs.length} jobs`}, seed ${seed}${isCi ? ", CI: what cannot run fails" : ""}`,
  );
  const sinceMs = performance.now();
  const outcomes = await runAll(jobs, atOnce, {
    root: ROOT,
    directory,
    environment: environment(),
    seed,
    ci: isCi,
    reapMs: REAP_MS,
    onStart: (child) => {
      current.add(child);
      void child.exited.then(() => current.delete(child));
    },
  });
  const left = await survivorsOf(directory, REAP_MS);
  endAll(left);
  await clear(directory);
  const total = outcomes.reduce<Count>(add, { passed: 0, failed: left.length, skipped: 0 });
  say(`\nTime per suite and file, seed ${seed}`);
  for (const line of tableLines(outcomes)) say(line);
  for (const { job, notes, skipped } of outcomes.filter((each) => each.skipped > 0)) {
    say(`${skipped} skipped in ${job.suite} ${job.name}: ${notes.join("; ")}`);
  }
  for (const { pid, command } of left) say(`LEFT RUNNING, ended by us: ${pid} ${command}`);
  if (left.length === 0) say("Nothing that this run started is left running.");
  if (jobs.length === 0) say(`Nothing is named ${names.join(" ")}.`);
  const minutes = ((performance.now() - sinceMs) / 60_000).toFixed(1);
  say(`${minutes} minutes in all`);
  say(countText(total));
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

process.exit(await main());
