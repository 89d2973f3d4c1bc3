/**
 * What surrounds a command: the lines it prints, the signals that end it, the machine it runs on. Both
 * programs run in this shell, so both end in the same way.
 */

import { writeSync } from "node:fs";
import { hostname } from "node:os";
import { BUILD, type BuildInfo, versionLine } from "../build-info.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type Host, openHost } from "../config/host.ts";
import { type Environment, type Problem, problemText } from "../config/table.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Result } from "../result.ts";
import { type Program, parseArguments } from "./arguments.ts";

const STDOUT = 1;
const STDERR = 2;
/** Half of the grace period that Kubernetes gives. */
const STOP_MS_MAX = 15_000;

export type Shell = {
  readonly environment: Environment;
  readonly host: Host;
  readonly hostname: string;
  readonly pid: number;
  /** The path of this binary. */
  readonly executable: string;
  readonly build: BuildInfo;
  /** Prints one line of a command's answer on standard output. */
  readonly say: (line: string) => void;
  /** Prints one line of an error on standard error. */
  readonly complain: (line: string) => void;
  /** Writes one line of a log, without waiting for its reader. */
  readonly write: (to: "stdout" | "stderr", line: string) => void;
  readonly clock: Clock;
  /** Aborts on SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
  /** Ends the process at once, for callers that cannot wait for the command to return. */
  readonly exit: (code: ExitCode) => never;
};

/** Runs what the command line asks for, and ends the process with its exit code. */
export async function runProgram<R>(
  program: Program<R>,
  environment: Environment,
  start: (run: R, shell: Shell) => Promise<ExitCode>,
): Promise<never> {
  process.on("uncaughtException", endByDefect);
  process.on("unhandledRejection", endByDefect);
  // The reader of our output may be gone: no reason to stop working.
  process.stdout.on("error", () => {});
  const shell = openShell(environment);
  process.exit(await runWords(program, shell, start).catch(endByDefect));
}

async function runWords<R>(
  program: Program<R>,
  shell: Shell,
  start: (run: R, shell: Shell) => Promise<ExitCode>,
): Promise<ExitCode> {
  const invocation = parseArguments(program, process.argv.slice(2));
  if (!invocation.ok) {
    shell.complain(`${program.name}: ${invocation.error}`);
    return EXIT.configuration;
  }
  switch (invocation.value.kind) {
    case "help":
      shell.say(invocation.value.text);
      return EXIT.done;
    case "version":
      shell.say(versionLine(program.name, BUILD));
      return EXIT.done;
    case "run":
      return await start(invocation.value.run, shell);
  }
}

const openShell = (environment: Environment): Shell => ({
  environment,
  host: openHost(),
  hostname: hostname(),
  pid: process.pid,
  executable: process.execPath,
  build: BUILD,
  say: (line) => print(STDOUT, line),
  complain: (line) => print(STDERR, line),
  write: (to, line) => {
    process[to].write(`${line}\n`);
  },
  clock: systemClock,
  signal: endSignal(),
  exit: (code) => process.exit(code),
});

/** Every wrong variable, one per line. */
export const problemsText = (problems: readonly Problem[]): string =>
  [
    `${problems.length} configuration errors:`,
    ...problems.map((each) => `  ${problemText(each)}`),
  ].join("\n");

/** Runs with a valid configuration, or reports everything that is wrong with it. */
export async function configured<C>(
  shell: Pick<Shell, "complain">,
  config: Result<C, readonly Problem[]>,
  run: (config: C) => Promise<ExitCode>,
): Promise<ExitCode> {
  if (config.ok) return await run(config.value);
  shell.complain(problemsText(config.error));
  return EXIT.configuration;
}

/** Writes the text at once and completely, even when the process ends right after. */
function print(descriptor: number, line: string): void {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // The pipe is full or closed. If it is full, try again when it has room.
    const stream = descriptor === STDOUT ? process.stdout : process.stderr;
    stream.write(`${line}\n`, () => {});
  }
}

/** The first signal ends the process in an orderly way, within STOP_MS_MAX; the second one ends it at once. */
function endSignal(): AbortSignal {
  const ending = new AbortController();
  const end = (name: string) => {
    if (ending.signal.aborted) process.exit(EXIT.unconfirmed);
    ending.abort(name);
    setTimeout(() => {
      print(STDERR, `not stopped in order within ${STOP_MS_MAX / 1000} s: ended`);
      process.exit(EXIT.unconfirmed);
    }, STOP_MS_MAX).unref();
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => end(name));
  return ending.signal;
}

/** A defect of ours is reported, and the process ends, so that its supervisor starts it again. */
function endByDefect(cause: unknown): never {
  const detail = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  const time = new Date().toISOString();
  print(STDERR, JSON.stringify({ time, level: "error", message: "defect", detail }));
  process.exit(EXIT.defect);
}
