/**
 * A configuration is a table of variables. The same table gives the typed values, the list of everything
 * that is wrong with an environment, `--help`, and docs/operating.md.
 *
 *     const table = { portNumber: withDefault({ name: "PORT", schema: port(), default: "8080", describe }) };
 *     const config = parseEnvironment(table, [], process.env, host);  // Result<{ portNumber: number }, …>
 *
 * An empty value counts as unset. A secret X may come from the file that X_FILE names instead.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../result.ts";
import type { Host } from "./host.ts";
import { fileSecret, fixedSecret, type Secret } from "./secret.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a variable is read from: the environment, without its empty values, and the host. */
export type Lookup = { readonly text: (name: string) => string | undefined; readonly host: Host };

/** A default that depends on other variables or on the host. */
export type Derived = {
  /** The text for the documents: `the client id`. */
  readonly shown: string;
  readonly from: (lookup: Lookup) => string | undefined;
};

/** What the documents say about a variable. */
export type About = {
  readonly name: string;
  /** One sentence for an operator, without the name. */
  readonly describe: string;
  /** True when the original program has it. */
  readonly seed: boolean;
  readonly secret: boolean;
  /** What is allowed, from the schema's description. */
  readonly allowed: string;
  /** The default as text, `required`, or what happens without it. */
  readonly without: string;
};

export type Variable<T> = v.GenericSchema<unknown, T> & { readonly about: About };
export type Table = Readonly<Record<string, Variable<unknown>>>;
export type Config<T extends Table> = Readonly<v.InferOutput<v.ObjectSchema<T, undefined>>>;

export type Problem = {
  readonly name: string;
  /** The text that was given; absent when there was none, or it is a secret. */
  readonly value?: string;
  readonly message: string;
};

type Spec<T> = {
  readonly name: string;
  readonly schema: v.GenericSchema<string, T>;
  readonly describe: string;
  readonly seed?: boolean;
};

/** A variable that must be set. */
export function required<T>(spec: Spec<T>): Variable<T> {
  return variable(aboutOf(spec, "required"), (lookup) => {
    const text = lookup.text(spec.name);
    return text === undefined ? err("is required") : parse(spec.schema, text);
  });
}

export function withDefault<T>(
  spec: Spec<T> & { readonly default: string | Derived },
): Variable<T> {
  const fallback = spec.default;
  const shown = typeof fallback === "string" ? fallback : fallback.shown;
  return variable(aboutOf(spec, shown), (lookup) => {
    const derived = typeof fallback === "string" ? fallback : fallback.from(lookup);
    const text = lookup.text(spec.name) ?? derived;
    return text === undefined ? err("is required") : parse(spec.schema, text);
  });
}

/** A variable that may be missing; `without` says what happens then. */
export function optional<T>(
  spec: Spec<T> & { readonly without?: string },
): Variable<T | undefined> {
  return variable(aboutOf(spec, spec.without ?? ""), (lookup) => {
    const text = lookup.text(spec.name);
    return text === undefined ? ok(undefined) : parse(spec.schema, text);
  });
}

/** What `open` makes of the file at that path; an error in the file is an error of the variable. */
export function optionalFile<T>(
  spec: Spec<string> & {
    readonly without: string;
    readonly open: (path: string, readFile: Host["readFile"]) => Result<T, string>;
  },
): Variable<T | undefined> {
  return variable(aboutOf(spec, spec.without), (lookup) => {
    const path = lookup.text(spec.name);
    return path === undefined ? ok(undefined) : spec.open(path, lookup.host.readFile);
  });
}

/** X itself or the file that X_FILE names, not both. The schema checks only the first value that is read. */
export function optionalSecret(
  spec: Spec<string> & { readonly without?: string },
): Variable<Secret | undefined> {
  return variable({ ...aboutOf(spec, spec.without ?? ""), secret: true }, (lookup) =>
    readSecret(spec, lookup),
  );
}

/** A secret with a public default. */
export function secretWithDefault(
  spec: Spec<string> & { readonly default: string },
): Variable<Secret> {
  return variable({ ...aboutOf(spec, spec.default), secret: true }, (lookup) => {
    const secret = readSecret(spec, lookup);
    if (!secret.ok) return secret;
    return ok(secret.value ?? fixedSecret(spec.default, { isPublic: true }));
  });
}

function readSecret(spec: Spec<string>, lookup: Lookup): Result<Secret | undefined, string> {
  const text = lookup.text(spec.name);
  const path = lookup.text(`${spec.name}_FILE`);
  if (text !== undefined && path !== undefined) {
    return err(`is set, and so is ${spec.name}_FILE: one of them, not both`);
  }
  if (text === undefined && path === undefined) return ok(undefined);
  const secret =
    path === undefined ? ok(fixedSecret(text ?? "")) : fileSecret(path, lookup.host.readFile);
  if (!secret.ok) return err(`${spec.name}_FILE: ${secret.error}`);
  const judged = parse(spec.schema, secret.value.read());
  return judged.ok ? secret : judged;
}

const aboutOf = <T>(spec: Spec<T>, without: string): About => ({
  name: spec.name,
  describe: spec.describe,
  seed: spec.seed ?? false,
  secret: false,
  allowed: v.getDescription(spec.schema) ?? "text",
  without,
});

function parse<T>(schema: v.GenericSchema<string, T>, text: string): Result<T, string> {
  const read = v.safeParse(schema, text);
  return read.success ? ok(read.output) : err(read.issues.map(({ message }) => message).join("; "));
}

function variable<T>(about: About, read: (lookup: Lookup) => Result<T, string>): Variable<T> {
  const schema = v.pipe(
    v.custom<Lookup>(() => true),
    v.rawTransform<Lookup, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value);
      if (value.ok) return value.value;
      addIssue({ message: value.error });
      return NEVER;
    }),
  );
  return { ...schema, about };
}

/** A rule across variables; it is checked only when each of its variables is valid by itself. */
export type CrossCheck = (lookup: Lookup) => Problem | undefined;

/** `judge` says what is wrong, if anything, and which variable to blame. */
export function check<const T extends Table>(
  table: T,
  judge: (config: Config<T>) => Problem | undefined,
): CrossCheck {
  return (lookup) => {
    const read = readTable(table, lookup);
    return read.success ? judge(read.output) : undefined;
  };
}

const readTable = <T extends Table>(table: T, lookup: Lookup) =>
  v.safeParse(
    v.object(table),
    mapValues(table, () => lookup),
  );

const mapValues = <V>(table: Table, value: () => V): Record<string, V> =>
  Object.fromEntries(Object.keys(table).map((field) => [field, value()]));

/** All the values, or everything that is wrong: each variable, and each check across variables. */
export function parseEnvironment<const T extends Table>(
  table: T,
  checks: readonly CrossCheck[],
  environment: Environment,
  host: Host,
): Result<Config<T>, readonly Problem[]> {
  const text = (name: string) => (environment[name] === "" ? undefined : environment[name]);
  const lookup: Lookup = { text, host };
  const read = readTable(table, lookup);
  const wrong = (read.issues ?? []).map((issue) => {
    const about = table[String(issue.path?.[0].key)]?.about;
    return problemOf(about, issue.message, text);
  });
  const crossed = checks.flatMap((ask) => ask(lookup) ?? []);
  const problems = [...wrong, ...crossed];
  if (read.success && problems.length === 0) return ok(read.output);
  return err(problems);
}

function problemOf(
  about: About | undefined,
  message: string,
  text: (name: string) => string | undefined,
): Problem {
  const name = about?.name ?? "";
  const value = about?.secret === true ? undefined : text(name);
  // A message that ends in a parenthesis already says what is allowed.
  const isSaid = about === undefined || value === undefined || message.endsWith(")");
  const allowed = isSaid ? "" : ` (allowed: ${about.allowed})`;
  return {
    name,
    message: `${message}${allowed}`,
    ...(value === undefined ? {} : { value }),
  };
}

/** One line of an error report: `HEARTBEAT_TIMEOUT="5": a unit is missing …`. */
export const problemText = (problem: Problem): string =>
  problem.value === undefined
    ? `${problem.name}: ${problem.message}`
    : `${problem.name}=${JSON.stringify(problem.value)}: ${problem.message}`;
