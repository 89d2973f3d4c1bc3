/**
 * The command line: `<program> <command> [--flag] [--flag value]`, over node's `parseArgs`. A command's
 * table of flags gives both the typed values and `--help`; what is not in it is an error (exit 64).
 */
import { parseArgs } from "node:util";
import * as v from "valibot";
import type { Table } from "../config/table.ts";
import { variablesText } from "../config/table-text.ts";
import { err, ok, type Result } from "../result.ts";

type FlagAbout = {
  readonly name: string;
  readonly describe: string;
  /** What stands for the value in `--help`; absent for a switch. */
  readonly placeholder?: string;
};
export type Flag<T> = v.GenericSchema<unknown, T> & { readonly about: FlagAbout };
type Flags = Readonly<Record<string, Flag<unknown>>>;
type FlagValues<F extends Flags> = Readonly<v.InferOutput<v.ObjectSchema<F, undefined>>>;

/** A flag without a value: true when it is there. */
export const switchFlag = (about: { name: string; describe: string }): Flag<boolean> => ({
  ...v.optional(v.boolean(), false),
  about,
});

/** A flag with a value, undefined when it is not there. */
export function valueFlag<T>(
  about: { name: string; describe: string; placeholder: string },
  schema: v.GenericSchema<string, T>,
): Flag<T | undefined> {
  return { ...v.optional(v.pipe(v.string(), schema)), about };
}

/** `R` is a parsed command line: a union over the program's commands. */
export type Command<R> = {
  readonly describe: string;
  readonly flags: readonly FlagAbout[];
  /** The variables that this command reads, for its `--help`. */
  readonly variables: Table;
  readonly read: (values: Readonly<Record<string, unknown>>) => Result<R, string>;
};

export function command<const F extends Flags, const R>(spec: {
  readonly describe: string;
  readonly flags: F;
  readonly variables: Table;
  /** What is wrong with a combination of valid flags; undefined when nothing is. */
  readonly wrong?: (flags: FlagValues<F>) => string | undefined;
  readonly run: (flags: FlagValues<F>) => R;
}): Command<R> {
  const abouts = Object.values(spec.flags).map(({ about }) => about);
  return {
    describe: spec.describe,
    flags: abouts,
    variables: spec.variables,
    read: (values) => {
      const byField = Object.entries(spec.flags).map(([field, { about }]) => [
        field,
        values[about.name],
      ]);
      const read = v.safeParse(v.object(spec.flags), Object.fromEntries(byField));
      if (read.success) {
        const wrong = spec.wrong?.(read.output);
        return wrong === undefined ? ok(spec.run(read.output)) : err(wrong);
      }
      const [issue] = read.issues;
      const wrong = spec.flags[String(issue.path?.[0].key)]?.about.name ?? "";
      const value = values[wrong] === undefined ? "" : `=${JSON.stringify(values[wrong])}`;
      return err(`--${wrong}${value}: ${issue.message}`);
    },
  };
}

export type Program<R> = {
  readonly name: string;
  readonly describe: string;
  readonly commands: Readonly<Record<string, Command<R>>>;
  /** The command to run when the command line names none. */
  readonly fallback?: string;
};

export type Invocation<R> =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly run: R };

/** `words` are the command line without the program. An error is one sentence for a person. */
export function parseArguments<R>(
  program: Program<R>,
  words: readonly string[],
): Result<Invocation<R>, string> {
  const [first] = words;
  const named = namedCommand(program, words);
  const isNamed = named !== undefined;
  const name = named ?? program.fallback;
  const rest = words.slice(named?.split(" ").length ?? 0);
  if (first === "help" || (!isNamed && (first === "--help" || first === "-h"))) {
    return ok({ kind: "help", text: programHelp(program) });
  }
  if (words.includes("--version")) return ok({ kind: "version" });
  const hint = `see ${program.name} --help`;
  if (name === undefined) return err(`a command is missing: ${commandNames(program)}; ${hint}`);
  const chosen = Object.hasOwn(program.commands, name) ? program.commands[name] : undefined;
  if (chosen === undefined) {
    return err(`unknown command ${JSON.stringify(name)}: ${commandNames(program)}; ${hint}`);
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    return ok({ kind: "help", text: commandHelp(program, name, chosen) });
  }
  const run = readFlags(chosen, rest);
  if (!run.ok) return err(`${name}: ${run.error}; see ${program.name} ${name} --help`);
  return ok({ kind: "run", run: run.value });
}

/** A command's name has one word, or two such as `check kafka`. Undefined when the first word is a flag. */
function namedCommand<R>(
  { commands }: Program<R>,
  [first, second]: readonly string[],
): string | undefined {
  if (first === undefined || first.startsWith("-")) return undefined;
  const both = `${first} ${second}`;
  return Object.hasOwn(commands, both) ? both : first;
}

function readFlags<R>(chosen: Command<R>, args: readonly string[]): Result<R, string> {
  const options = Object.fromEntries(
    chosen.flags.map(({ name, placeholder }) => [
      name,
      placeholder === undefined ? { type: "boolean" as const } : { type: "string" as const },
    ]),
  );
  try {
    return chosen.read(parseArgs({ args: [...args], options, strict: true }).values);
  } catch (cause) {
    return err(cause instanceof Error ? firstSentence(cause.message) : String(cause));
  }
}

/** node goes on to explain how to pass a positional argument, of which we have none. */
const firstSentence = (message: string): string => message.split(/\. |\n/u)[0] ?? message;

const commandNames = <R>(program: Program<R>): string =>
  `one of ${Object.keys(program.commands).join(", ")}`;

function programHelp<R>(program: Program<R>): string {
  const commands = Object.entries(program.commands).map(([name, { describe }]) => {
    const mark = name === program.fallback ? " (the default)" : "";
    return `  ${name.padEnd(16)} ${describe}${mark}`;
  });
  return [
    `${program.name}: ${program.describe}`,
    "",
    `Usage: ${program.name} COMMAND [FLAGS]`,
    "",
    ...commands,
    "",
    `${program.name} COMMAND --help shows a command's flags and variables; ${program.name} --version the build.`,
  ].join("\n");
}

function commandHelp<R>(program: Program<R>, name: string, chosen: Command<R>): string {
  const flags = chosen.flags.map((flag) => {
    const shown = flag.placeholder === undefined ? flag.name : `${flag.name} ${flag.placeholder}`;
    return `  --${shown.padEnd(24)} ${flag.describe}`;
  });
  const usage = `Usage: ${program.name} ${name}${flags.length === 0 ? "" : " [FLAGS]"}`;
  return [
    `${program.name} ${name}: ${chosen.describe}`,
    "",
    usage,
    ...(flags.length === 0 ? [] : ["", "Flags:", ...flags]),
    "",
    "Environment (an empty value counts as unset):",
    variablesText(chosen.variables),
  ].join("\n");
}
