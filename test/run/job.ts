/** Runs one job to its end or its limit, and says what came of it and what it left behind. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { EXIT } from "../../shared/exit.ts";
import { boxCommand } from "../bed/box/box.ts";
import { type BedProcess, startProcess } from "../bed/process.ts";
import { type Count, type FileCount, parseReport } from "./junit.ts";
import { endAll, survivorsOf } from "./leftover.ts";
import type { Job } from "./suite.ts";

export type Outcome = Count & {
  readonly job: Job;
  readonly seconds: number;
  /** Of all its processes together. */
  readonly cpuSeconds: number;
  /** Of a job of several files. */
  readonly files: readonly FileCount[];
  /** Why it failed or was skipped, beyond what its own output says. */
  readonly notes: readonly string[];
  readonly output: string;
  /** Where its servers' files were kept. */
  readonly kept: string | undefined;
};

export type RunOptions = {
  readonly root: string;
  /** For the temporary directories of all jobs. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly seed: number;
  /** In CI a server that cannot be had is a failure. */
  readonly ci: boolean;
  /** The reaper of the beds needs a moment after its test has ended. */
  readonly reapMs: number;
  readonly onStart: (child: BedProcess) => void;
};

/** Of a job of several files: most of them wait for a timer, or a socket. With more, some come too late to theirs. */
const WORKERS = 2;
/** Of one test, where it sets none itself: a property that takes a second takes ten on a busy machine. */
const TEST_MS = 30_000;

export async function runJob(job: Job, number: number, options: RunOptions): Promise<Outcome> {
  // Part of no other job's: a process belongs to the job whose directory it names.
  const temporary = join(options.directory, `${number}.job`);
  const report = join(options.directory, `${number}.xml`);
  await mkdir(temporary);
  const sinceMs = performance.now();
  const child = startProcess({
    name: job.name,
    command: [...boxOf(job), process.execPath, ...wordsOf(job, report, options.seed)],
    env: {
      ...options.environment,
      ...(job.kind === "tests" ? job.env : {}),
      TMPDIR: temporary,
    },
    cwd: options.root,
  });
  options.onStart(child);
  const late = await isLate(child, job.limitMs);
  if (late) await child.stop(0);
  const { code, signal } = await child.exited;
  const seconds = (performance.now() - sinceMs) / 1000;
  const ended = late ? `was killed at its limit of ${job.limitMs / 1000} s` : endText(code, signal);
  const judged = await judge(job, { report, ended, code, ci: options.ci, output: child.output() });
  const left = await survivorsOf(temporary, options.reapMs);
  endAll(left);
  const notes = [
    ...judged.notes,
    ...left.map(({ pid, command }) => `left running, ended by us: ${pid} ${command}`),
  ];
  const failed = judged.failed + (left.length > 0 ? 1 : 0);
  const kept = failed > 0 ? await keptIn(temporary) : undefined;
  if (kept === undefined) await rm(temporary, { recursive: true, force: true });
  const cpuSeconds = child.cpuSeconds();
  return { ...judged, job, seconds, cpuSeconds, failed, notes, output: child.output(), kept };
}

const boxOf = (job: Job): readonly string[] => (job.kind === "tests" ? boxCommand(job.box) : []);

function wordsOf(job: Job, report: string, seed: number): readonly string[] {
  if (job.kind === "command") return job.words;
  return [
    "test",
    "--only-failures",
    ...job.paths.map((path) => `./${path}`),
    ...(job.paths.length > 1 ? [`--parallel=${WORKERS}`] : []),
    `--timeout=${TEST_MS}`,
    ...["--randomize", `--seed=${seed}`],
    ...["--reporter=junit", `--reporter-outfile=${report}`],
  ];
}

async function isLate(child: BedProcess, limitMs: number): Promise<boolean> {
  const limit = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => limit.resolve(true), limitMs);
  const late = await Promise.race([limit.promise, child.exited.then(() => false)]);
  clearTimeout(timer);
  return late;
}

const endText = (code: number | null, signal: string | number | null): string | undefined =>
  code === 0 ? undefined : `ended with ${signal ?? code}`;

type Ended = {
  readonly report: string;
  /** Undefined: with exit code 0. */
  readonly ended: string | undefined;
  readonly code: number | null;
  readonly ci: boolean;
  readonly output: string;
};

type Judged = Count & Pick<Outcome, "files" | "notes">;

const FAILED = { passed: 0, failed: 1, skipped: 0, files: [] } as const;

async function judge(job: Job, ended: Ended): Promise<Judged> {
  return job.kind === "command" ? judgeCommand(ended) : await judgeTests(ended);
}

function judgeCommand({ ended, code, ci, output }: Ended): Judged {
  if (ended === undefined) return { ...FAILED, passed: 1, failed: 0, notes: [] };
  if (code !== EXIT.unavailable || ci) return { ...FAILED, notes: [ended] };
  const reason = output.trimEnd().split("\n").at(-1) ?? "";
  return { ...FAILED, failed: 0, skipped: 1, notes: [`SKIPPED: ${reason}`] };
}

async function judgeTests({ report, ended, ci, output }: Ended): Promise<Judged> {
  const file = Bun.file(report);
  const parsed = (await file.exists()) ? parseReport(await file.text()) : undefined;
  if (parsed === undefined) {
    return { ...FAILED, notes: [`${ended ?? "ended with 0"}, and no test was reported`] };
  }
  const { total, files, unavailable } = parsed;
  const said = [...output.matchAll(/^SKIPPED .*$/gmu)].map(([line]) => line);
  const missing = unavailable === undefined ? said : [`SKIPPED: ${unavailable}`, ...said];
  if (ci && total.skipped > 0) {
    const failed = total.failed + total.skipped;
    const notes = [`${total.skipped} skipped, which is a failure in CI`, ...missing];
    return { ...total, failed, skipped: 0, files, notes };
  }
  // What else failed then is a consequence, such as an afterAll without its server.
  if (unavailable !== undefined && total.passed === 0 && !ci) {
    const skipped = total.skipped + total.failed;
    return { passed: 0, failed: 0, skipped, files, notes: missing };
  }
  // An error between two tests fails the process and no test.
  const unseen = ended !== undefined && total.failed === 0;
  const notes = [...(unseen ? [ended] : []), ...missing];
  return { ...total, failed: total.failed + (unseen ? 1 : 0), files, notes };
}

/** The directory when something is in it. */
async function keptIn(directory: string): Promise<string | undefined> {
  return (await readdir(directory)).length > 0 ? directory : undefined;
}
