/** What the test run prints: lines as it goes, and the table at its end. Pure. */
import { boxWords } from "../bed/box/box.ts";
import type { Outcome } from "./job.ts";
import type { Count } from "./junit.ts";

const NAME_CHARS = 46;
const COUNT_CHARS = 34;
const OUTPUT_CHARS_MAX = 60_000;
const HEAD_CHARS = 10_000;
/** Of a job of many files only the slow ones are worth a row. */
const SLOW_SECONDS = 0.5;

export const add = (a: Count, b: Count): Count => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/** `N passed, N failed`, and `, N skipped` when some were. */
export function countText({ passed, failed, skipped }: Count): string {
  const both = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? both : `${both}, ${skipped} skipped`;
}

type Spent = { readonly seconds: number; readonly cpuSeconds?: number };

const row = (suite: string, name: string, count: Count, { seconds, cpuSeconds }: Spent): string =>
  [
    suite.padEnd(9),
    name.padEnd(NAME_CHARS),
    countText(count).padEnd(COUNT_CHARS),
    `${seconds.toFixed(1)} s`.padStart(8),
    ...(cpuSeconds === undefined ? [] : [`${cpuSeconds.toFixed(1)} s CPU`.padStart(12)]),
  ].join(" ");

const nameOf = ({ job }: Outcome): string => (job.name === job.suite ? "" : job.name);

/** One line for a job that has ended, and its notes. */
export function progressLines(outcome: Outcome): readonly string[] {
  const { job, notes } = outcome;
  const mark = outcome.failed > 0 ? "✗" : outcome.skipped > 0 ? "!" : "✓";
  const line = `${mark} ${row(job.suite, nameOf(outcome), outcome, outcome)}`;
  return [line, ...notes.map((note) => `    ${note}`)];
}

/** Everything a person needs to mend it: the output, and how to run it alone. */
export function failureLines(outcome: Outcome, seed: number): readonly string[] {
  const { job, output, kept } = outcome;
  const title = `${job.suite} ${nameOf(outcome)}`.trim();
  const alone =
    job.kind === "command"
      ? `bun ${job.words.join(" ")}`
      : `${envWords(job.env)}${boxWords(job.box)}bun test ${job.paths.length === 1 ? `./${job.paths[0]}` : failedPaths(outcome)} --seed=${seed}`;
  return [
    `----- output of ${title}`,
    bounded(output).trimEnd(),
    `----- end of ${title}. Alone: ${alone}`,
    ...(kept === undefined ? [] : [`      its files: ${kept}`]),
  ];
}

const envWords = (env: Readonly<Record<string, string>> = {}): string =>
  Object.entries(env)
    .map(([name, value]) => `${name}=${value} `)
    .join("");

const failedPaths = ({ files, job }: Outcome): string => {
  const failed = files.filter((each) => each.failed > 0).map(({ file }) => `./${file}`);
  if (failed.length > 0) return failed.join(" ");
  return job.kind === "tests" ? job.paths.map((path) => `./${path}`).join(" ") : "";
};

function bounded(output: string): string {
  if (output.length <= OUTPUT_CHARS_MAX) return output;
  const cut = output.length - OUTPUT_CHARS_MAX;
  const tail = output.slice(HEAD_CHARS - OUTPUT_CHARS_MAX);
  return `${output.slice(0, HEAD_CHARS)}\n[${cut} characters left out]\n${tail}`;
}

/** A row for each suite, and under it for each of its files. */
export function tableLines(outcomes: readonly Outcome[]): readonly string[] {
  const suites = Map.groupBy(outcomes, ({ job }) => job.suite);
  return [...suites].flatMap(([suite, members]) => {
    const count = members.reduce<Count>(add, { passed: 0, failed: 0, skipped: 0 });
    const seconds = members.reduce((sum, each) => sum + each.seconds, 0);
    const cpuSeconds = members.reduce((sum, each) => sum + each.cpuSeconds, 0);
    const files = members
      .flatMap((each) =>
        each.files.length === 1
          ? [{ ...each, file: each.job.name }]
          : each.files.filter((file) => file.seconds >= SLOW_SECONDS || file.failed > 0),
      )
      .map((file) => row("", file.file, file, file));
    return [row(suite, "", count, { seconds, cpuSeconds }), ...files];
  });
}
