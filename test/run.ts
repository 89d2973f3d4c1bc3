/**
 * `bun run test`: every test there is, in suites, each job with a process, a temporary directory and a
 * time limit of its own. `bun run test system kafka-door` runs what is named: a suite, or files
 * by a part of their path. `--seed=N` repeats an order of tests; `--at-once=N` runs at most so many jobs
 * side by side; `--costs` writes down what each took (test/run/costs.json), by which they are ordered. `--matrix` runs the tests that are for older servers too (test/run/matrix.ts)
 * on those that a whole run leaves out; `--matrix 2.8.2` or `--matrix broker-roll` what is named of them.
 * `--changed` runs what the difference from main concerns, `--changed=REVISION` that from another revision.
 *
 * The last line is `N passed, N failed`, summed over all suites (`, N skipped` follows when a server
 * could not be had; with CI=true that is a failure). The exit code is 1 when anything failed or
 * nothing ran.
 */
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { BedProcess } from "./bed/process.ts";
import { concernedTests } from "./run/changed.ts";
import { type Costs, costName, costsAfter, readCosts, writeCosts } from "./run/costs.ts";
import { changedPaths, openImports } from "./run/difference.ts";
import { type Outcome, type RunOptions, runJob } from "./run/job.ts";
import type { Count } from "./run/junit.ts";
import { endAll, survivorsOf } from "./run/leftover.ts";
import { cpuTicks, idleText } from "./run/machine.ts";
import { nextJob, type Room } from "./run/order.ts";
import { add, countText, failureLines, progressLines, tableLines } from "./run/report.ts";
import { allJobs, type Chosen, chosenJobs, type Job, realFiles } from "./run/suite.ts";

const ROOT = join(import.meta.dir, "..");
const SEED_MAX = 2 ** 31;
const REAP_MS = 5000;
/** They mostly wait; test/run/order.ts says how many of them there is CPU for. */
const AT_ONCE_MAX = 4;
/** As a shell says it of a process that SIGINT ended. */
const INTERRUPTED = 130;
/** The unit tests among them: many are about times, and are not to be short of CPU. */
const FIRST: readonly string[] = ["types", "lint", "unused", "unit", "build"];
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
  readonly atOnceMax: number;
  readonly keepsCosts: boolean;
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
    keepsCosts: words.includes("--costs"),
    seed: number("--seed=") ?? Math.floor(Math.random() * SEED_MAX),
    atOnceMax: Math.max(1, number("--at-once=") ?? AT_ONCE_MAX),
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
  ...{ job, passed: 0, failed: 1, skipped: 0, seconds: 0, cpuSeconds: 0 },
  ...{ files: [], output: "", kept: undefined },
  notes: ["not run: the build failed"],
});

/** What costs little and stops much comes first, alone; the others as there is room. Outcomes in order. */
async function runAll(
  jobs: readonly Job[],
  { room, costs }: { readonly room: Room; readonly costs: Costs },
  options: RunOptions,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<Job, Outcome>();
  const run = async (job: Job) => {
    const noBinaries = [...outcomes.values()].some(
      (each) => each.job.suite === "build" && each.failed > 0,
    );
    const isLost = noBinaries && NEEDS_BUILD.includes(job.suite);
    const outcome = isLost ? notRun(job) : await runJob(job, jobs.indexOf(job), options);
    outcomes.set(job, outcome);
    tell(outcome, options.seed);
  };
  const isFirst = ({ suite }: Job) => FIRST.includes(suite);
  for (const job of jobs.filter(isFirst)) await run(job);
  const waiting = jobs.filter((job) => !isFirst(job));
  const running = new Map<Job, Promise<void>>();
  const costOf = (job: Job) => costs.get(costName(job));
  while (waiting.length > 0 || running.size > 0) {
    const place = nextJob(waiting.map(costOf), [...running.keys()].map(costOf), room);
    const [job] = place === undefined ? [] : waiting.splice(place, 1);
    if (job === undefined) await Promise.race(running.values());
    else
      running.set(
        job,
        run(job).finally(() => running.delete(job)),
      );
  }
  return jobs.flatMap((job) => outcomes.get(job) ?? []);
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
  const { names, seed, atOnceMax, keepsCosts } = choice;
  const jobs = await choose(choice);
  const directory = await mkdtemp(join(tmpdir(), "outrider-test-"));
  // PostgreSQL runs as a user of its own, in a directory below.
  await chmod(directory, 0o711);
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
  const cpuBefore = await cpuTicks();
  const costs = await readCosts();
  const room = { cpus: availableParallelism(), atOnceMax };
  const outcomes = await runAll(
    jobs,
    { room, costs },
    {
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
    },
  );
  if (keepsCosts) await writeCosts(costsAfter(costs, outcomes));
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
  say(`${minutes} minutes in all; ${idleText(cpuBefore, await cpuTicks())}`);
  say(countText(total));
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

process.exit(await main());
